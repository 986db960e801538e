import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { randomCheckpoint } from '../tokens/llama2c-reference.ts';
import { makeFolder, modicum, removeFolder } from './cli.ts';

/** The 256 bytes, three specials, a space and some letters. */
function tokenizerFile(size: number): Uint8Array {
  const bytes = Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`);
  const pieces = ['<unk>', '<s>', '</s>', ...bytes, ' ', ...'abcdefgh'].slice(0, size);
  return Buffer.concat([
    Buffer.from([4, 0, 0, 0]),
    ...pieces.map((piece) => {
      const head = Buffer.alloc(8);
      head.writeInt32LE(piece.length, 4);
      return Buffer.concat([head, Buffer.from(piece)]);
    }),
  ]);
}

describe('language models on the command line', () => {
  let folder = '';
  before(async () => {
    folder = await makeFolder();
    const config = { dim: 16, hidden: 12, layers: 2, heads: 2, kvHeads: 1, vocab: 268, positions: 96 };
    await writeFile(join(folder, 'net.bin'), randomCheckpoint(config));
    await writeFile(join(folder, 'tok.bin'), tokenizerFile(268));
    await writeFile(join(folder, 'texts.txt'), 'abc abc\nhead\n');
    const { code, stderr } = await modicum(
      ['convert', 'net.bin', '--tokenizer', 'tok.bin', '-o', 'llm'],
      folder,
    );
    assert.equal(code, 0, stderr);
  });
  after(() => removeFolder(folder));

  test('a converted model has its config and tokenizer beside it', async () => {
    const config = JSON.parse(await readFile(join(folder, 'llm/config.json'), 'utf8'));
    assert.deepEqual([config.model_type, config.num_key_value_heads, config.vocab_size], ['llama', 1, 268]);
    const generation = JSON.parse(await readFile(join(folder, 'llm/generation_config.json'), 'utf8'));
    assert.deepEqual(generation.eos_token_id, [1, 2]);
  });

  test('profile times prompts and tokens', async () => {
    const line = [
      'profile',
      'llm/model.onnx',
      '--prompt-tokens',
      '2,9',
      '--new-tokens',
      '3',
      '--seconds',
      '50ms',
    ];
    const { code, stdout, stderr } = await modicum([...line, '--json', 'profile.json'], folder);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /prefill/);
    const { points } = JSON.parse(await readFile(join(folder, 'profile.json'), 'utf8'));
    assert.deepEqual(
      points.map((point: { promptTokens: number }) => point.promptTokens),
      [2, 9],
    );
    const long = await modicum([...line.slice(0, 3), '300'], folder);
    assert.equal(long.code, 2);
    assert.match(long.stderr, /CONTEXT_FULL/);
  });

  test('generate continues a text, the same way each time', async () => {
    const line = [
      'generate',
      'llm/model.onnx',
      '--prompt',
      'abc',
      '--new-tokens',
      '5',
      '--json',
      'text.json',
    ];
    const { code, stdout, stderr } = await modicum(line, folder);
    assert.equal(code, 0, stderr);
    const { tokens, text } = JSON.parse(await readFile(join(folder, 'text.json'), 'utf8'));
    assert.ok(tokens.length <= 5 && text.startsWith('abc'));
    assert.ok(stdout.startsWith('abc'));
    assert.equal((await modicum(line, folder)).stdout, stdout);
    const far = await modicum(['generate', 'net.onnx', '--tokenizer', 'tok.bin'], folder);
    assert.equal(far.code, 2);
  });

  test('exits of a language model: a folder that generate takes, or an honest refusal', async () => {
    const letters = 'abcdefgh';
    const texts = Array.from({ length: 100 }, (_, i) =>
      [0, 1, 2, 3].map((j) => letters[(i * (j + 3)) % 8]).join(''),
    );
    await writeFile(
      join(folder, 'many.jsonl'),
      texts.map((text) => JSON.stringify({ text: text.repeat(8) })).join('\n'),
    );
    const line = ['exits', 'llm/model.onnx', '--data', 'many.jsonl', '--exits', '1', '--epochs', '1'];
    const { code, stdout, stderr } = await modicum([...line, '--max-drop', '90', '--out', 'pieces'], folder);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /pieces after layers 1, 2/);
    const text = await modicum(['generate', 'pieces', '--prompt', 'abc', '--new-tokens', '4'], folder);
    assert.equal(text.code, 0, text.stderr);
    const strict = await modicum([...line, '--max-drop', '0.1'], folder);
    assert.equal(strict.code, 1, strict.stderr);
    assert.match(strict.stdout, /No threshold keeps the bound/);
  });

  test('eval reads texts through the tokenizer beside the model', async () => {
    const line = [
      'eval',
      'llm/model.onnx',
      '--data',
      'texts.txt',
      '--metric',
      'perplexity',
      '--json',
      'eval.json',
    ];
    const { code, stderr } = await modicum(line, folder);
    assert.equal(code, 0, stderr);
    const { record } = JSON.parse(await readFile(join(folder, 'eval.json'), 'utf8'));
    assert.equal(record.what, 'accuracy.perplexity');
    assert.equal(record.n, 2);
    assert.ok(record.value > 1 && Number.isFinite(record.value));
  });

  test('a model that is no language model is asked for no tokens', async () => {
    await writeFile(join(folder, 'bad.bin'), 'no model');
    const { code, stderr } = await modicum(
      ['convert', 'bad.bin', '--tokenizer', 'tok.bin', '-o', 'x'],
      folder,
    );
    assert.equal(code, 2);
    assert.match(stderr, /CHECKPOINT_UNFIT/);
  });
});
