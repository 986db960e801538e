import { throwIfAborted } from '../base/index.ts';
import type { Decoder } from './decoder.ts';
import type { WriteOptions } from './writer.ts';

export interface GenerateOptions extends WriteOptions {
  readonly signal?: AbortSignal;
}

/**
 * Continues a prompt, token by token as they come. Ends at a stop token, after `newTokens`, or when the context is full. Throws
 * CONTEXT_FULL for a prompt that is too long, USAGE_BAD_OPTION (also where another text was begun on the same decoder meanwhile), the
 * reason of the signal, and what the decoder throws.
 */
export async function* generate(
  decoder: Decoder,
  prompt: readonly number[],
  { signal, ...options }: GenerateOptions = {},
): AsyncGenerator<number, void> {
  throwIfAborted(signal);
  for await (const { texts } of decoder.write([prompt], options)) {
    for (const token of texts[0]!) {
      throwIfAborted(signal);
      yield token;
    }
    throwIfAborted(signal);
  }
}

/** Continues several prompts together; each samples with a seed of its own (seed, seed + 1, ...). Throws as `generate` does. */
export async function generateBatch(
  decoder: Decoder,
  prompts: readonly (readonly number[])[],
  { signal, ...options }: GenerateOptions = {},
): Promise<number[][]> {
  const texts: number[][] = prompts.map(() => []);
  if (prompts.length === 0) return texts;
  throwIfAborted(signal);
  for await (const chunk of decoder.write(prompts, options)) {
    for (const [i, tokens] of chunk.texts.entries()) texts[i]!.push(...tokens);
    throwIfAborted(signal);
  }
  return texts;
}
