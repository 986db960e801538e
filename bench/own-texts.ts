import type { Model } from '../src/graph/index.ts';
import { generateBatch, openDecoder } from '../src/tokens/index.ts';

/** The most tokens of a text. */
const LONGEST = 255;

/** Texts that a language model writes by chance, each from the token of the beginning (1); other seeds, other texts. */
export async function ownTexts(model: Model, count: number, seed: number): Promise<number[][]> {
  const decoder = await openDecoder(model, { settings: { threads: 1 } });
  try {
    const begin = Array.from({ length: count }, () => [1]);
    const written = await generateBatch(decoder, begin, {
      temperature: 1,
      newTokens: LONGEST,
      stop: [1, 2],
      // A text has the seed of its number: these ranges do not meet.
      seed: 100_000 * seed + 1,
    });
    return written.map((text) => [1, ...text]);
  } finally {
    await decoder.dispose();
  }
}
