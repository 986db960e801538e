import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { sharedData } from '../../../test/shared-data.ts';
import { randomCheckpoint, referenceLogits } from '../../../test/tokens/llama2c-reference.ts';
import { assertValid } from '../../graph/index.ts';
import { openDecoder } from '../decoder.ts';
import { generate, generateBatch } from '../generate.ts';
import { readCheckpoint } from './checkpoint.ts';
import { convertLlama2c } from './convert.ts';
import { decoder } from './decoder.ts';

const CONFIG = { dim: 24, hidden: 20, layers: 2, heads: 6, kvHeads: 2, vocab: 17, positions: 12 };
const settings = { threads: 1 };

function close(found: Float32Array, wanted: Float64Array, where: string): void {
  assert.equal(found.length, wanted.length);
  for (const [i, value] of wanted.entries()) {
    assert.ok(
      Math.abs(found[i]! - value) < 1e-3 * (1 + Math.abs(value)),
      `${where}: ${found[i]} for ${value}`,
    );
  }
}

for (const shared of [true, false]) {
  test(`a converted model says what run.c says, ${shared ? 'shared' : 'own'} classifier, prefill or token by token`, async () => {
    const weights = readCheckpoint(randomCheckpoint(CONFIG, 3, shared));
    const model = decoder(weights);
    assertValid(model);
    const tokens = [1, 5, 16, 0, 7, 7, 2, 11, 3, 4, 9, 8];
    const wanted = referenceLogits(weights, tokens);
    const open = await openDecoder(model, { settings });
    assert.equal(open.context, 12, 'the model says how many positions it has');
    close((await open.start([tokens]))[0]!, wanted.at(-1)!, 'prefill');
    let [logits] = await open.start([tokens.slice(0, 3)]);
    for (let i = 3; i <= tokens.length; i++) {
      close(logits!, wanted[i - 1]!, `after ${i} tokens`);
      if (i < tokens.length) [logits] = await open.next([tokens[i]!]);
    }
    await assert.rejects(open.next([1]), { code: 'CONTEXT_FULL' });
    await open.dispose();
  });
}

test('prompts of several lengths in one batch give what each gives alone', async () => {
  const weights = readCheckpoint(randomCheckpoint(CONFIG, 4));
  const open = await openDecoder(decoder(weights), { settings });
  const prompts = [[1, 5, 16, 0], [3], [2, 9]];
  const together = await open.start(prompts);
  for (const [i, prompt] of prompts.entries()) {
    close(together[i]!, referenceLogits(weights, prompt).at(-1)!, `prompt ${i}`);
  }
  const batch = await generateBatch(open, prompts, { newTokens: 5 });
  for (const [i, prompt] of prompts.entries()) {
    const alone: number[] = [];
    for await (const token of generate(open, prompt, { newTokens: 5 })) alone.push(token);
    assert.deepEqual(batch[i], alone);
  }
  await open.dispose();
});

test('the published text of stories260k, to the letter', async (t) => {
  const [bin, tok, published] = ['.bin', '.tok512.bin', '.reference-output.md'].map((ending) =>
    sharedData(`stories260k/stories260K${ending}`),
  );
  if (bin === undefined || tok === undefined || published === undefined) {
    t.skip('data absent: stories260k');
    return;
  }
  const { model, tokenizer } = await convertLlama2c(bin, tok);
  const open = await openDecoder(model, { settings });
  const prompt = tokenizer.encode('');
  assert.deepEqual(prompt, [1]);
  const stream = tokenizer.stream(prompt);
  let text = '';
  // run.c makes 256 tokens unless told otherwise, and stops at the token of the beginning.
  for await (const token of generate(open, prompt, { newTokens: 256, stop: [1] })) text += stream.next(token);
  await open.dispose();
  const shown = /-t 0\.0\n([\s\S]*?)\n```/.exec(await readFile(published, 'utf8'))![1]!;
  assert.ok(shown.length > 500);
  assert.equal(text, shown);
});

test('damaged files are refused, saying what is wrong', () => {
  const bytes = randomCheckpoint(CONFIG);
  assert.throws(() => readCheckpoint(bytes.subarray(0, 20)), { code: 'CHECKPOINT_UNFIT', message: /header/ });
  assert.throws(() => readCheckpoint(bytes.subarray(0, bytes.length - 4)), { code: 'CHECKPOINT_UNFIT' });
  const odd = bytes.slice();
  new Int32Array(odd.buffer, 0, 7)[3] = 5;
  assert.throws(() => readCheckpoint(odd), { code: 'CHECKPOINT_UNFIT', message: /5 heads/ });
  // Not aligned: read through a copy.
  const shifted = new Uint8Array(bytes.length + 1);
  shifted.set(bytes, 1);
  assert.deepEqual(readCheckpoint(shifted.subarray(1)), readCheckpoint(bytes));
});
