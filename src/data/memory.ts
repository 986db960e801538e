import { fail } from '../base/index.ts';
import type { Tensor } from '../graph/index.ts';
import type { Dataset } from './dataset.ts';
import { labelTensor } from './labels.ts';
import { datasetOf, sampleBytes } from './source.ts';

export interface InMemoryOptions {
  /** Default 'memory'. */
  readonly name?: string;
  /** Names of the classes, where labels are class numbers. */
  readonly classes?: readonly string[];
  readonly parts?: Readonly<Record<string, Uint32Array>>;
}

/**
 * A dataset of tensors in memory: [samples, ...] each, all with the same number of samples. Labels of narrow
 * integer dtypes come as int32. Throws DATA_EMPTY, DATA_SHAPE_MISMATCH.
 */
export function inMemory(
  fields: Readonly<Record<string, Tensor>>,
  labels?: Tensor,
  options: InMemoryOptions = {},
): Dataset {
  const { name = 'memory', classes, parts } = options;
  const kept = labels && labelTensor(labels, name);
  const entries = Object.entries(fields);
  const size = entries[0]?.[1].dims[0] ?? kept?.dims[0] ?? 0;
  for (const [field, { dims }] of [...entries, ...(kept ? [['labels', kept] as const] : [])]) {
    if (dims[0] === size) continue;
    throw fail('DATA_SHAPE_MISMATCH', `${field} [${dims}] does not have ${size} samples on its first axis`);
  }
  const described = entries.map(([field, { dtype, dims }]) => ({ name: field, dtype, dims: dims.slice(1) }));
  const bytes = entries.map(([, tensor]) => tensor.bytes());
  const widths = described.map(sampleBytes);
  const shape = kept && { dtype: kept.dtype, dims: kept.dims.slice(1), classes };
  const labelBytes = kept?.bytes();
  const labelWidth = shape ? sampleBytes(shape) : 0;
  return datasetOf({
    name,
    size,
    fields: described,
    labels: shape,
    parts,
    *samples({ indices, fields: wanted }) {
      for (const index of indices) {
        const values = wanted.map((f) => bytes[f]!.subarray(index * widths[f]!, (index + 1) * widths[f]!));
        const label = labelBytes?.subarray(index * labelWidth, (index + 1) * labelWidth);
        yield { index, values, label };
      }
    },
  });
}
