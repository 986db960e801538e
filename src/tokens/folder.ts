import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { fail, messageOf } from '../base/index.ts';
import { readTokenizerJson } from './tokenizer/json.ts';
import { readLlama2cTokenizer } from './tokenizer/llama2c.ts';
import type { Tokenizer } from './tokenizer/tokenizer.ts';

/** What lies beside a language model. */
export interface ModelFolder {
  readonly tokenizer: Tokenizer | undefined;
  /** The most tokens of a sequence: max_position_embeddings of config.json. */
  readonly context: number | undefined;
  /** Tokens that end a text: eos_token_id of generation_config.json, else of config.json, else of the tokenizer. */
  readonly stop: readonly number[];
}

const ids = z.union([z.number().int(), z.array(z.number().int())]).nullish();
const about = z.looseObject({
  max_position_embeddings: z.number().int().positive().nullish(),
  eos_token_id: ids,
});

/**
 * Reads tokenizer.json, config.json and generation_config.json beside a model, or (as transformers.js lays them) one folder above;
 * what is absent is left out. `tokenizer`: the path of another one (.json, or .bin of llama2.c). Throws TOKENIZER_UNFIT, FILE_UNREADABLE.
 */
export async function readModelFolder(model: string, tokenizer?: string): Promise<ModelFolder> {
  const own = tokenizer === undefined ? await beside(model, 'tokenizer.json') : await must(tokenizer);
  const config = about.safeParse(jsonOf(await beside(model, 'config.json')));
  const generation = about.safeParse(jsonOf(await beside(model, 'generation_config.json')));
  const known = own && tokenizerOf(own, tokenizer);
  const stop = generation.data?.eos_token_id ?? config.data?.eos_token_id ?? known?.end;
  return {
    tokenizer: known,
    context: config.data?.max_position_embeddings ?? undefined,
    stop: stop === undefined ? [] : [stop].flat(),
  };
}

function tokenizerOf(bytes: Uint8Array, path = 'tokenizer.json'): Tokenizer {
  return path.endsWith('.bin')
    ? readLlama2cTokenizer(bytes)
    : readTokenizerJson(new TextDecoder().decode(bytes));
}

async function beside(model: string, name: string): Promise<Uint8Array | undefined> {
  for (const folder of [dirname(model), join(dirname(model), '..')]) {
    const path = join(folder, name);
    const found = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ENOENT' || cause.code === 'ENOTDIR') return undefined;
      throw fail('FILE_UNREADABLE', `${path}: ${messageOf(cause)}`, { path }, cause);
    });
    if (found !== undefined) return found;
  }
  return undefined;
}

async function must(path: string): Promise<Uint8Array> {
  return readFile(path).catch((cause) => {
    throw fail('FILE_NOT_FOUND', `${path}: ${messageOf(cause)}`, { path }, cause);
  });
}

/** The value, or undefined where there is none: a config that cannot be read says nothing. */
function jsonOf(bytes: Uint8Array | undefined): unknown {
  if (bytes === undefined) return undefined;
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}
