import { fail } from '../base/index.ts';
import { type DType, Tensor } from '../graph/index.ts';
import type { Feeds, GrowingSession } from '../run/index.ts';
import type { CacheForm } from './cache-form.ts';

/**
 * Reads sequences of tokens and says what comes next, with all that it has read in a cache, in the thread where it was opened. It
 * holds one batch at a time: `start` begins anew.
 */
export interface TokenReader {
  /** The most tokens of a sequence, prompt and answer together. */
  readonly context: number;
  /** Tokens read of each sequence, padding included. */
  readonly length: number;
  /** The exit that answered last, from 0; always 0 for a model without exits. */
  readonly exit: number;
  /**
   * Reads prompts (prefill) and gives the logits [vocabulary] after each. Prompts of several lengths are padded on the left. Throws
   * USAGE_BAD_OPTION without a token, CONTEXT_FULL, and what a session throws.
   */
  start(prompts: readonly (readonly number[])[]): Promise<Float32Array[]>;
  /** Reads one more token of each sequence, and gives the logits after it. Throws CONTEXT_FULL. */
  next(tokens: readonly number[]): Promise<Float32Array[]>;
  dispose(): Promise<void>;
}

/** The reader of a model with a cache. */
export class CachedReader implements TokenReader {
  readonly #form: TokenPorts & Pick<CacheForm, 'logits'>;
  readonly #session: GrowingSession;
  readonly exit = 0;
  #padding: readonly number[] = [];

  constructor(form: TokenPorts & Pick<CacheForm, 'logits'>, session: GrowingSession) {
    this.#form = form;
    this.#session = session;
  }

  get context(): number {
    return this.#session.capacity;
  }

  get length(): number {
    return this.#session.length;
  }

  async start(prompts: readonly (readonly number[])[]): Promise<Float32Array[]> {
    const longest = longestOf(prompts);
    const padding = prompts.map((prompt) => longest - prompt.length);
    if (padding.some((count) => count > 0) && this.#form.mask === undefined) {
      const why = 'the model has no attention_mask, so the prompts of a batch must be of one length';
      throw fail('USAGE_BAD_OPTION', why);
    }
    this.#padding = padding;
    this.#session.reset(prompts.length);
    return this.#read(prompts.map((prompt, i) => [...new Array<number>(padding[i]!).fill(0), ...prompt]));
  }

  next(tokens: readonly number[]): Promise<Float32Array[]> {
    if (tokens.length !== this.#padding.length) {
      throw fail('USAGE_BAD_OPTION', `${tokens.length} tokens for ${this.#padding.length} sequences`);
    }
    return this.#read(tokens.map((token) => [token]));
  }

  dispose(): Promise<void> {
    return this.#session.dispose();
  }

  async #read(rows: readonly (readonly number[])[]): Promise<Float32Array[]> {
    const count = rows[0]!.length;
    const feeds = feedsOf(this.#form, rows, this.#session.length, this.#padding);
    const { logits } = await this.#session.step(feeds, count, [this.#form.logits.name]);
    return lastRows(logits!, rows.length);
  }
}

/** The longest prompt. Throws USAGE_BAD_OPTION where one is empty. */
export function longestOf(prompts: readonly (readonly number[])[]): number {
  if (prompts.length > 0 && prompts.every((prompt) => prompt.length > 0)) {
    return Math.max(...prompts.map((prompt) => prompt.length));
  }
  throw fail('USAGE_BAD_OPTION', 'a prompt has at least one token: that of the beginning, say');
}

/** The inputs that tell of tokens; a later piece of a decoder may lack any of them. */
export type TokenPorts = Partial<Pick<CacheForm, 'ids' | 'mask' | 'positions'>>;

/** Feeds of rows of equal length after `past` tokens; the first `padding` tokens of a sequence do not count. */
export function feedsOf(
  form: TokenPorts,
  rows: readonly (readonly number[])[],
  past: number,
  padding: readonly number[],
): Feeds {
  const { ids, mask, positions } = form;
  const count = rows[0]!.length;
  const feeds: Record<string, Tensor> = {};
  if (ids !== undefined) feeds[ids.name] = integers(ids.dtype, [rows.length, count], rows.flat());
  if (mask !== undefined) {
    const total = past + count;
    const counts = new Uint8Array(rows.length * total).fill(1);
    for (const [row, skipped] of padding.entries()) counts.fill(0, row * total, row * total + skipped);
    feeds[mask.name] = integers(mask.dtype, [rows.length, total], counts);
  }
  if (positions !== undefined) {
    const places = rows.flatMap((row, r) => row.map((_, i) => Math.max(0, past + i - (padding[r] ?? 0))));
    feeds[positions.name] = integers(positions.dtype, [rows.length, count], places);
  }
  return feeds;
}

function integers(dtype: DType, dims: readonly number[], values: ArrayLike<number>): Tensor {
  if (dtype === 'int32') return Tensor.of('int32', dims, Int32Array.from(values));
  return Tensor.of('int64', dims, BigInt64Array.from(values as number[], BigInt));
}

/** The logits after the last token of each sequence, views into [batch, seq, vocabulary]. */
export function lastRows(logits: Tensor, batch: number): Float32Array[] {
  const [, count, width] = logits.dims as [number, number, number];
  const all = logits.as('float32');
  return Array.from({ length: batch }, (_, row) => {
    const at = (row * count + count - 1) * width;
    return all.subarray(at, at + width);
  });
}
