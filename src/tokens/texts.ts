import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { z } from 'zod';
import { fail, messageOf } from '../base/index.ts';
import { type Dataset, inMemory } from '../data/index.ts';
import { Tensor } from '../graph/index.ts';
import type { Tokenizer } from './tokenizer/tokenizer.ts';

/** Between texts of several lines. */
const SEPARATOR = '<|endoftext|>';
/** The label of a position that does not count. */
const IGNORED = -100;

/** A text, or the tokens of one. */
export type Text = string | readonly number[];

const line = z.union([
  z.looseObject({ text: z.string() }),
  z.looseObject({ tokens: z.array(z.number().int()) }),
]);

/**
 * Reads texts: of a .txt every line, or what lies between lines <|endoftext|> where there are such; of a .jsonl {"text": ".."} or
 * {"tokens": [..]} a line. Empty ones are left out. Throws FILE_NOT_FOUND, DATA_FORMAT_UNKNOWN, DATA_DAMAGED, DATA_EMPTY.
 */
export async function readTexts(path: string): Promise<Text[]> {
  const content = await readFile(path, 'utf8').catch((cause) => {
    throw fail('FILE_NOT_FOUND', `${path}: ${messageOf(cause)}`, { path }, cause);
  });
  const texts = /\.(jsonl|ndjson)$/i.test(path) ? records(content, path) : plain(content, path);
  const full = texts.filter((text) => text.length > 0);
  if (full.length === 0) throw fail('DATA_EMPTY', `${path} holds no text`, { path });
  return full;
}

function plain(content: string, path: string): string[] {
  if (!/\.txt$/i.test(path)) {
    throw fail('DATA_FORMAT_UNKNOWN', `${path} is no .txt and no .jsonl`, {
      path,
      hint: 'Texts stand in a .txt, a line each, or in a .jsonl as {"text": ".."}; see docs/tokens.md.',
    });
  }
  const between = content.includes(SEPARATOR) ? content.split(SEPARATOR) : content.split('\n');
  return between.map((text) => text.trim());
}

function records(content: string, path: string): Text[] {
  return content.split('\n').flatMap((text, i): Text[] => {
    if (text.trim() === '') return [];
    const where = `${path}, line ${i + 1}`;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (cause) {
      throw fail('DATA_DAMAGED', `${where}: ${messageOf(cause)}`, { where }, cause);
    }
    const found = line.safeParse(value);
    if (!found.success) throw fail('DATA_DAMAGED', `${where} has neither text nor tokens`, { where });
    return ['text' in found.data ? (found.data.text as string) : (found.data.tokens as number[])];
  });
}

export interface TextDatasetOptions {
  /** The most tokens read at once, the context of the model: longer texts are cut, each part for itself. */
  readonly context: number;
  /** For texts that are not given as tokens. */
  readonly tokenizer?: Tokenizer;
  /** Default 'texts'. */
  readonly name?: string;
}

/**
 * Texts as samples for a metric of next tokens (perplexity): input_ids and attention_mask int64 [tokens], padded on the right to the
 * longest, and as labels the token that comes next, -100 where none does. Throws DATA_EMPTY, TOKENIZER_UNFIT.
 */
export function textDataset(texts: readonly Text[], options: TextDatasetOptions): Dataset {
  const { context, tokenizer, name = 'texts' } = options;
  const parts = texts.flatMap((text) => {
    if (typeof text === 'string' && tokenizer === undefined) {
      throw fail('TOKENIZER_UNFIT', 'there are texts and no tokenizer', {
        hint: 'Put tokenizer.json beside the model, or name it: --tokenizer FILE.',
      });
    }
    const tokens = typeof text === 'string' ? tokenizer!.encode(text) : text;
    return partsOf(tokens, context, tokenizer?.begin);
  });
  if (parts.length === 0)
    throw fail('DATA_EMPTY', `${name}: no text has two tokens, one to come after the other`);
  const longest = Math.max(...parts.map((part) => part.length)) - 1;
  const size = parts.length * longest;
  const ids = new BigInt64Array(size);
  const mask = new BigInt64Array(size);
  const labels = new BigInt64Array(size).fill(BigInt(IGNORED));
  for (const [row, part] of parts.entries()) {
    for (let i = 0; i + 1 < part.length; i++) {
      ids[row * longest + i] = BigInt(part[i]!);
      mask[row * longest + i] = 1n;
      labels[row * longest + i] = BigInt(part[i + 1]!);
    }
  }
  const dims = [parts.length, longest];
  return inMemory(
    { input_ids: Tensor.of('int64', dims, ids), attention_mask: Tensor.of('int64', dims, mask) },
    Tensor.of('int64', dims, labels),
    { name: basename(name) },
  );
}

/** Parts of at most `context` tokens and the one that comes next; each begins with the token of the beginning. */
function partsOf(
  tokens: readonly number[],
  context: number,
  begin: number | undefined,
): (readonly number[])[] {
  const parts: (readonly number[])[] = [];
  for (let at = 0; at + 1 < tokens.length; ) {
    const head = at > 0 && begin !== undefined ? [begin] : [];
    const room = context - head.length;
    const part = [...head, ...tokens.slice(at, at + room + 1)];
    parts.push(part);
    at += room;
  }
  return parts;
}
