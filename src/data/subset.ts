import { fail } from '../base/index.ts';
import type { Batch, Dataset, ReadOptions } from './dataset.ts';
import { datasetOf, type Sample, type Wanted } from './source.ts';

/**
 * Some samples of a dataset as a dataset of its own, numbered from 0. The indices are put into ascending order;
 * repeats are one sample. Throws DATA_EMPTY, USAGE_BAD_OPTION.
 */
export function subset(dataset: Dataset, indices: Iterable<number>, name = dataset.name): Dataset {
  const kept = Uint32Array.from(new Set(indices)).sort();
  if (kept.length === 0) throw fail('DATA_EMPTY', `no sample of ${dataset.name} is chosen`);
  const last = kept[kept.length - 1]!;
  if (last >= dataset.size) {
    throw fail('USAGE_BAD_OPTION', `${dataset.name} has ${dataset.size} samples, none is numbered ${last}`);
  }
  const { fields, labels } = dataset;
  return {
    name,
    size: kept.length,
    fields,
    labels,
    parts: partsWithin(dataset, kept),
    read: (options = {}) => renumbered(dataset, kept, options),
  };
}

async function* renumbered(dataset: Dataset, kept: Uint32Array, options: ReadOptions): AsyncGenerator<Batch> {
  const chosen = options.indices;
  const indices = chosen === undefined ? kept : Uint32Array.from(chosen, (index) => within(kept, index));
  let done = 0;
  for await (const batch of dataset.read({ ...options, indices })) {
    const start = done;
    done += batch.indices.length;
    yield { ...batch, indices: batch.indices.map((_, i) => chosen?.[start + i] ?? start + i) };
  }
}

function within(kept: Uint32Array, index: number): number {
  const inner = kept[index];
  if (inner === undefined) {
    throw fail('USAGE_BAD_OPTION', `there are ${kept.length} samples, none is numbered ${index}`);
  }
  return inner;
}

function partsWithin(dataset: Dataset, kept: Uint32Array): Dataset['parts'] {
  if (dataset.parts === undefined) return undefined;
  const place = new Map(Array.from(kept, (index, position) => [index, position]));
  const parts: Record<string, Uint32Array> = {};
  for (const [name, indices] of Object.entries(dataset.parts)) {
    const here = indices.filter((index) => place.has(index)).map((index) => place.get(index)!);
    if (here.length > 0) parts[name] = here;
  }
  return parts;
}

/** The part of a dataset that the data itself declares under this name. Throws USAGE_BAD_OPTION. */
export function partOf(dataset: Dataset, name: string): Dataset {
  const indices = dataset.parts?.[name];
  if (indices === undefined) {
    const known = Object.keys(dataset.parts ?? {}).join(', ') || 'none';
    throw fail('USAGE_BAD_OPTION', `${dataset.name} has no part named ${name}; its parts: ${known}`);
  }
  return subset(dataset, indices, `${dataset.name} (${name})`);
}

/** The samples of several datasets, one after the other. Throws DATA_EMPTY, DATA_SHAPE_MISMATCH. */
export function concatenate(datasets: readonly Dataset[], name?: string): Dataset {
  const [first, ...others] = datasets;
  if (first === undefined) throw fail('DATA_EMPTY', 'no dataset to concatenate');
  for (const other of others) same(first, other);
  return datasetOf({
    name: name ?? datasets.map((dataset) => dataset.name).join(' + '),
    size: datasets.reduce((sum, dataset) => sum + dataset.size, 0),
    fields: first.fields,
    labels: first.labels,
    samples: (wanted) => chained(datasets, wanted),
  });
}

async function* chained(datasets: readonly Dataset[], wanted: Wanted): AsyncGenerator<Sample> {
  const indices = Uint32Array.from(wanted.indices);
  let start = 0;
  for (const dataset of datasets) {
    const inside = indices.filter((index) => index >= start && index < start + dataset.size);
    if (inside.length > 0) yield* shifted(dataset, inside, start, wanted);
    start += dataset.size;
  }
}

async function* shifted(
  dataset: Dataset,
  indices: Uint32Array,
  start: number,
  { fields, signal }: Wanted,
): AsyncGenerator<Sample> {
  const names = fields.map((position) => dataset.fields[position]!.name);
  const inside = indices.map((index) => index - start);
  for await (const batch of dataset.read({ batch: 16, indices: inside, fields: names, signal })) {
    const samples = batch.indices.length;
    for (const [i, index] of batch.indices.entries()) {
      const values = names.map((field) => row(batch.feeds[field]!.bytes(), i, samples));
      yield { index: index + start, values, label: batch.labels && row(batch.labels.bytes(), i, samples) };
    }
  }
}

/** The bytes of one sample of a batch. */
export function row(bytes: Uint8Array, sample: number, samples: number): Uint8Array {
  const width = bytes.byteLength / samples;
  return bytes.subarray(sample * width, (sample + 1) * width);
}

function same(a: Dataset, b: Dataset): void {
  const describe = ({ fields, labels }: Dataset) =>
    JSON.stringify([
      fields.map(({ name, dtype, dims }) => `${name} ${dtype}[${dims}]`),
      labels && `${labels.dtype}[${labels.dims}]`,
      labels?.classes,
    ]);
  if (describe(a) === describe(b)) return;
  throw fail('DATA_SHAPE_MISMATCH', `${a.name} has ${describe(a)}, ${b.name} has ${describe(b)}`, {
    hint: 'Only data of the same fields, labels and classes can be put together.',
  });
}
