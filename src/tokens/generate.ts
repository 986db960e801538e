import { fail, throwIfAborted } from '../base/index.ts';
import type { Decoder } from './decoder.ts';
import { type SamplingOptions, sampler } from './sampling.ts';

export interface GenerateOptions extends SamplingOptions {
  /** The most new tokens. Default: as many as the context has room for. */
  readonly newTokens?: number;
  /** Tokens that end a text; they are not part of it. */
  readonly stop?: readonly number[];
  readonly signal?: AbortSignal;
}

/**
 * Continues a prompt, token by token as they come. Ends at a stop token, after `newTokens`, or when the context is full. Throws
 * CONTEXT_FULL for a prompt that is too long, USAGE_BAD_OPTION, CANCELLED, and what the session throws; also where another text
 * was begun on the same decoder meanwhile.
 */
export async function* generate(
  decoder: Decoder,
  prompt: readonly number[],
  options: GenerateOptions = {},
): AsyncGenerator<number, void> {
  const { stop = [], signal } = options;
  const choose = sampler(options);
  const most = roomFor(decoder, prompt.length, options.newTokens);
  if (most === 0) return;
  throwIfAborted(signal);
  let [logits] = await decoder.start([prompt]);
  const { turn } = decoder;
  for (let made = 1; ; made++) {
    throwIfAborted(signal);
    const token = choose(logits!);
    if (stop.includes(token)) return;
    yield token;
    if (made === most) return;
    if (decoder.turn !== turn) throw fail('USAGE_BAD_OPTION', 'the decoder began another text meanwhile');
    [logits] = await decoder.next([token]);
  }
}

/**
 * Continues several prompts together, one run for a token of each: a sequence that has ended is carried along until the last one ends.
 * Each has its own stream of random numbers (seed, seed + 1, ...). Throws as `generate` does.
 */
export async function generateBatch(
  decoder: Decoder,
  prompts: readonly (readonly number[])[],
  options: GenerateOptions = {},
): Promise<number[][]> {
  const { stop = [], signal, seed = 0 } = options;
  const choosers = prompts.map((_, i) => sampler({ ...options, seed: seed + i }));
  const longest = Math.max(0, ...prompts.map((prompt) => prompt.length));
  const most = roomFor(decoder, longest, options.newTokens);
  const texts: number[][] = prompts.map(() => []);
  if (most === 0 || prompts.length === 0) return texts;
  throwIfAborted(signal);
  let logits = await decoder.start(prompts);
  const { turn } = decoder;
  const ended = prompts.map(() => false);
  for (let made = 1; ; made++) {
    throwIfAborted(signal);
    const tokens = logits.map((row, i) => {
      if (ended[i]) return 0;
      const token = choosers[i]!(row);
      if (stop.includes(token)) ended[i] = true;
      else texts[i]!.push(token);
      return token;
    });
    if (made === most || ended.every(Boolean)) return texts;
    if (decoder.turn !== turn) throw fail('USAGE_BAD_OPTION', 'the decoder began another text meanwhile');
    logits = await decoder.next(tokens);
  }
}

/** New tokens that may be made: the last one need not be read again. Throws USAGE_BAD_OPTION, CONTEXT_FULL. */
function roomFor({ context }: Decoder, prompt: number, wanted: number | undefined): number {
  if (wanted !== undefined && !(Number.isInteger(wanted) && wanted >= 0)) {
    throw fail('USAGE_BAD_OPTION', `${wanted} new tokens; it is a whole number from 0`);
  }
  if (prompt > context) {
    throw fail('CONTEXT_FULL', `the prompt has ${prompt} tokens, the model room for ${context}`);
  }
  return Math.min(wanted ?? Number.POSITIVE_INFINITY, context - prompt + 1);
}
