import { createHash } from 'node:crypto';
import type { Dataset } from './dataset.ts';

/**
 * SHA-256 (hex) of what a dataset says of itself and of its first and last samples with their labels: tells whether a
 * record was made on the same data, without reading all of it.
 */
export async function fingerprint(dataset: Dataset, signal?: AbortSignal): Promise<string> {
  const { name, size, fields, labels } = dataset;
  const hash = createHash('sha256');
  hash.update(JSON.stringify([name, size, fields.map(({ name, dtype, dims }) => [name, dtype, dims])]));
  hash.update(JSON.stringify(labels ? [labels.dtype, labels.dims, labels.classes] : null));
  const indices = size > 1 ? [0, size - 1] : [0];
  for await (const batch of dataset.read({ batch: 1, indices, signal })) {
    for (const field of fields) hash.update(batch.feeds[field.name]!.bytes());
    if (batch.labels) hash.update(batch.labels.bytes());
  }
  return hash.digest('hex');
}
