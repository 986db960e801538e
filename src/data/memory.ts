import { fail } from '../base/index.ts';
import { Tensor } from '../graph/index.ts';
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

/**
 * A dataset that decodes no sample twice: itself in memory where it takes at most `most` bytes (default 512 MiB), else the
 * dataset as it is. For what is read many times, such as the pictures of a search.
 */
export async function buffered(
  dataset: Dataset,
  options: { readonly most?: number; readonly signal?: AbortSignal } = {},
): Promise<Dataset> {
  const { most = 2 ** 29, signal } = options;
  const { name, size, labels, parts } = dataset;
  const shapes = labels ? [...dataset.fields, { name: 'labels', ...labels }] : dataset.fields;
  const bytes = shapes.reduce((sum, shape) => sum + sampleBytes(shape) * size, 0);
  if (bytes > most || size === 0) return dataset;
  const whole = shapes.map((shape) => new Uint8Array(sampleBytes(shape) * size));
  const filled = shapes.map(() => 0);
  for await (const batch of dataset.read({ signal })) {
    for (const [i, buffer] of whole.entries()) {
      const part = i < dataset.fields.length ? batch.feeds[shapes[i]!.name] : batch.labels;
      if (part === undefined) continue;
      buffer.set(part.bytes(), filled[i]!);
      filled[i]! += part.byteLength;
    }
  }
  const tensors = shapes.map(({ dtype, dims }, i) => Tensor.ofBytes(dtype, [size, ...dims], whole[i]!));
  const kept = labels ? tensors.pop() : undefined;
  const fields = Object.fromEntries(tensors.map((tensor, i) => [shapes[i]!.name, tensor]));
  return inMemory(fields, kept, { name, classes: labels?.classes, parts });
}
