import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { randomCheckpoint, referenceLogits } from '../../test/tokens/llama2c-reference.ts';
import { evaluate, metricByName } from '../measure/index.ts';
import { readCheckpoint } from './llama/checkpoint.ts';
import { decoder } from './llama/decoder.ts';
import { openScoring } from './scoring.ts';
import { readTexts, textDataset } from './texts.ts';

const CONFIG = { dim: 16, hidden: 12, layers: 2, heads: 4, kvHeads: 2, vocab: 11, positions: 8 };

test('perplexity is that of the reference, padding or not, and its samples are the texts', async () => {
  const weights = readCheckpoint(randomCheckpoint(CONFIG, 8));
  const texts = [
    [1, 5, 6, 7, 3],
    [1, 2],
    [1, 9, 9, 4, 10, 0, 2, 3],
  ];
  let [nats, tokens] = [0, 0];
  for (const text of texts) {
    for (const [i, logits] of referenceLogits(weights, text.slice(0, -1)).entries()) {
      const total = logits.reduce((sum, value) => sum + Math.exp(value), 0);
      nats += Math.log(total) - logits[text[i + 1]!]!;
      tokens++;
    }
  }
  const session = await openScoring(decoder(weights), { threads: 1 });
  const data = textDataset(texts, { context: 8 });
  for (const batch of [1, 3]) {
    const found = await evaluate(session, data, metricByName('perplexity'), { batch });
    assert.equal(found.n, 3);
    assert.ok(Math.abs(found.value / Math.exp(nats / tokens) - 1) < 1e-4, `${found.value}`);
    assert.equal(found.rows[1], 4);
  }
  await session.dispose();
});

test('a text longer than the context is cut; every token but the first is asked for once', async () => {
  const text = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
  const begin = {
    size: 11,
    begin: 1,
    end: 2,
    encode: () => text,
    decode: () => '',
    stream: () => ({ next: () => '', end: () => '' }),
  };
  const data = textDataset(['any'], { context: 4, tokenizer: begin });
  const rows: number[][] = [];
  for await (const { feeds, labels } of data.read({ batch: 1 })) {
    rows.push(feeds.input_ids!.numbers(), feeds.attention_mask!.numbers(), labels!.numbers());
  }
  assert.deepEqual(rows, [
    [1, 2, 3, 4],
    [1, 1, 1, 1],
    [2, 3, 4, 5],
    [1, 5, 6, 7],
    [1, 1, 1, 1],
    [5, 6, 7, 8],
    [1, 8, 9, 0],
    [1, 1, 1, 0],
    [8, 9, 10, -100],
  ]);
  assert.throws(() => textDataset([[1]], { context: 4 }), { code: 'DATA_EMPTY' });
  assert.throws(() => textDataset(['a'], { context: 4 }), { code: 'TOKENIZER_UNFIT' });
});

test('texts of files', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'modicum-texts-'));
  const file = async (name: string, content: string) => {
    await writeFile(join(folder, name), content);
    return readTexts(join(folder, name));
  };
  assert.deepEqual(await file('a.txt', 'one\n\n two\n'), ['one', 'two']);
  assert.deepEqual(await file('b.txt', 'one\nmore\n<|endoftext|>\ntwo\n'), ['one\nmore', 'two']);
  assert.deepEqual(await file('c.jsonl', '{"text":"one"}\n{"tokens":[1,2]}\n'), ['one', [1, 2]]);
  await assert.rejects(file('d.jsonl', '{"text":"one"}\n{"x":1}\n'), {
    code: 'DATA_DAMAGED',
    message: /line 2/,
  });
  await assert.rejects(file('e.csv', 'one'), { code: 'DATA_FORMAT_UNKNOWN' });
  await assert.rejects(file('f.txt', '\n'), { code: 'DATA_EMPTY' });
  await assert.rejects(readTexts(join(folder, 'none.txt')), { code: 'FILE_NOT_FOUND' });
  await rm(folder, { recursive: true });
});
