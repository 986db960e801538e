import { createHash } from 'node:crypto';
import { fail } from '../base/index.ts';
import type { Dataset } from './dataset.ts';
import { subset } from './subset.ts';

/** Training samples that are kept from other data, and how many were not. */
export interface Apart {
  readonly dataset: Dataset;
  /** Samples that also are in the other data: left out. */
  readonly shared: number;
}

/**
 * The samples of `training` that are not in `other` by content: what is learned from must not be what is proven on. Reads both.
 * Arrays are compared by name where both have them. Throws DATA_TOO_FEW where nothing is left.
 */
export async function keptApart(training: Dataset, other: Dataset, signal?: AbortSignal): Promise<Apart> {
  const common = training.fields
    .map(({ name }) => name)
    .filter((name) => other.fields.some((one) => one.name === name));
  const [only] = training.fields;
  const single = training.fields.length === 1 && other.fields.length === 1 && only !== undefined;
  const known = new Set<string>();
  for await (const { key } of keysOf(other, single ? [other.fields[0]!.name] : common, signal))
    known.add(key);
  const kept: number[] = [];
  for await (const { key, index } of keysOf(training, single ? [only.name] : common, signal)) {
    if (!known.has(key)) kept.push(index);
  }
  if (kept.length === 0) {
    throw fail('DATA_TOO_FEW', `every sample of ${training.name} is in ${other.name} too`, {
      hint: 'Give training samples that are not those of --data.',
    });
  }
  const shared = training.size - kept.length;
  return { dataset: shared === 0 ? training : subset(training, kept), shared };
}

async function* keysOf(
  dataset: Dataset,
  fields: readonly string[],
  signal?: AbortSignal,
): AsyncGenerator<{ readonly key: string; readonly index: number }> {
  for await (const { indices, feeds } of dataset.read({ fields, signal })) {
    const rows = fields.map((name) => feeds[name]!.bytes());
    for (const [i, index] of indices.entries()) {
      const hash = createHash('sha1');
      for (const bytes of rows) {
        const width = bytes.byteLength / indices.length;
        hash.update(bytes.subarray(i * width, (i + 1) * width));
      }
      yield { key: hash.digest('base64'), index };
    }
  }
}
