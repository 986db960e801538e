import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { sharedData } from '../../../test/shared-data.ts';
import { Random } from '../../base/index.ts';
import { readTokenizerJson, tokenizerJson } from './json.ts';
import { readLlama2cTokenizer } from './llama2c.ts';

interface Vocabulary {
  readonly pieces: readonly string[];
  readonly scores: readonly number[];
}

/** A small vocabulary as llama2.c has it: three specials, all bytes, characters, and merges with falling scores. */
function small(): Vocabulary {
  const bytes = Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`);
  const merged = [' a', 'aa', 'aaa', 'aaaa', 'ab', 'b ', 'ab a', ' a a', 'éa', 'baa'];
  const pieces = ['<unk>', '\n<s>\n', '\n</s>\n', ...bytes, ...merged, ' ', 'a', 'b', 'é'];
  const from = 259;
  return {
    pieces,
    scores: pieces.map((_, i) => (i >= from && i < from + merged.length ? from - i : i < from ? 0 : -1e9)),
  };
}

function fileOf({ pieces, scores }: Vocabulary): Uint8Array {
  const parts = pieces.map((piece, i) => {
    const text = Buffer.from(piece);
    const head = Buffer.alloc(8);
    head.writeFloatLE(scores[i]!, 0);
    head.writeInt32LE(text.length, 4);
    return Buffer.concat([head, text]);
  });
  return Buffer.concat([Buffer.from([8, 0, 0, 0]), ...parts]);
}

/** encode of run.c, line by line. */
function runC({ pieces, scores }: Vocabulary, text: string): number[] {
  const lookup = (piece: string) => pieces.indexOf(piece);
  const tokens = [1];
  if (text !== '') tokens.push(lookup(' '));
  for (const character of text) {
    const id = lookup(character);
    if (id >= 0) tokens.push(id);
    else for (const byte of Buffer.from(character)) tokens.push(byte + 3);
  }
  for (;;) {
    let [best, at, to] = [-1e10, -1, -1];
    for (let i = 0; i + 1 < tokens.length; i++) {
      const id = lookup(pieces[tokens[i]!]! + pieces[tokens[i + 1]!]!);
      if (id >= 0 && scores[id]! > best) [best, at, to] = [scores[id]!, i, id];
    }
    if (at < 0) return tokens;
    tokens.splice(at, 2, to);
  }
}

function randomText(random: Random, letters: readonly string[], length: number): string {
  return Array.from({ length }, () => letters[random.below(letters.length)]).join('');
}

test('tokens are those of run.c, and come back as the text', () => {
  const vocabulary = small();
  const tokenizer = readLlama2cTokenizer(fileOf(vocabulary), vocabulary.pieces.length);
  const random = new Random(5);
  for (let round = 0; round < 300; round++) {
    const text = randomText(random, ['a', 'a', 'a', 'b', ' ', 'é', 'z', '😀', '\n'], random.below(14));
    const tokens = tokenizer.encode(text);
    assert.deepEqual(tokens, runC(vocabulary, text), JSON.stringify(text));
    assert.equal(tokenizer.decode(tokens), text);
    assert.deepEqual(tokenizer.encode(text, { begin: false }), tokens.slice(1));
  }
});

test('tokenizer.json says the same, and is read again', () => {
  const vocabulary = small();
  const tokenizer = readLlama2cTokenizer(fileOf(vocabulary));
  const json = tokenizerJson(tokenizer);
  const again = readTokenizerJson(json);
  const random = new Random(6);
  for (let round = 0; round < 200; round++) {
    const text = randomText(random, ['a', 'b', ' ', 'é', '中'], random.below(12));
    assert.deepEqual(again.encode(text), tokenizer.encode(text), JSON.stringify(text));
  }
  assert.deepEqual([again.begin, again.end, again.size], [1, 2, vocabulary.pieces.length]);
  const { model, added_tokens: added } = JSON.parse(json);
  assert.equal(model.vocab['▁a'], 259, 'spaces as SentencePiece writes them');
  assert.deepEqual(model.merges[0], ['▁', 'a']);
  assert.deepEqual(
    added.map(({ content }: { content: string }) => content),
    ['<unk>', '<s>', '</s>'],
  );
});

test('a stream gives characters when they are whole, and the space after a prompt', () => {
  const tokenizer = readLlama2cTokenizer(fileOf(small()));
  const stream = tokenizer.stream();
  const bytes = [...Buffer.from('😀')].map((byte) => byte + 3);
  assert.deepEqual(
    bytes.map((token) => stream.next(token)),
    ['', '', '', '😀'],
  );
  assert.equal(stream.next(bytes[0]!) + stream.end(), '�');
  const space = tokenizer.encode('a', { begin: false });
  assert.equal(tokenizer.stream().next(space[0]!), 'a');
  assert.equal(tokenizer.stream(tokenizer.encode('b')).next(space[0]!), ' a');
  assert.throws(() => tokenizer.decode([9999]), { code: 'TOKENIZER_UNFIT' });
});

test('files that are no such tokenizer are refused', () => {
  const bytes = fileOf(small());
  assert.throws(() => readLlama2cTokenizer(bytes.subarray(0, bytes.length - 1)), { code: 'TOKENIZER_UNFIT' });
  assert.throws(() => readLlama2cTokenizer(bytes, 9999), { code: 'TOKENIZER_UNFIT', message: /9999/ });
  assert.throws(() => readTokenizerJson('{'), { code: 'TOKENIZER_UNFIT' });
  assert.throws(() => readTokenizerJson('{"model":{"type":"Unigram"}}'), { code: 'TOKENIZER_UNFIT' });
  const json = JSON.parse(tokenizerJson(readLlama2cTokenizer(bytes)));
  const other = JSON.stringify({ ...json, normalizer: null, pre_tokenizer: { type: 'ByteLevel' } });
  assert.throws(() => readTokenizerJson(other), { code: 'TOKENIZER_UNFIT', message: /space/ });
});

test('the tokenizer of stories260k', async (t) => {
  const path = sharedData('stories260k/stories260K.tok512.bin');
  if (path === undefined) {
    t.skip('data absent: stories260k');
    return;
  }
  const tokenizer = readLlama2cTokenizer(await readFile(path), 512);
  const text = 'Once upon a time, Lily said: "¿Zoë, 3 naïve 😀?"\nThe end.';
  const tokens = tokenizer.encode(text);
  assert.equal(tokenizer.decode(tokens), text);
  assert.deepEqual(readTokenizerJson(tokenizerJson(tokenizer)).encode(text), tokens);
  assert.ok(tokens.length < text.length);
});
