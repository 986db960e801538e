import { fail } from '../../base/index.ts';
import { Tensor } from '../../graph/index.ts';
import { cast } from '../cast.ts';
import type { Dataset } from '../dataset.ts';
import { LabelScan, labelDType, withClasses } from '../labels.ts';
import { datasetOf, type Sample, type Wanted } from '../source.ts';
import type { Column } from './column.ts';

export interface ColumnsOptions {
  readonly name: string;
  readonly fields: readonly Column[];
  /** Class numbers or values, or names. */
  readonly labels?: Column | readonly string[];
  readonly classes?: readonly string[];
  readonly parts?: Readonly<Record<string, Uint32Array>>;
}

interface Labels {
  readonly shape: NonNullable<Dataset['labels']>;
  readonly size: number | undefined;
  rows(indices: Iterable<number>, signal?: AbortSignal): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/** A dataset of arrays that all have the samples on their first axis. Throws DATA_SHAPE_MISMATCH, DATA_EMPTY. */
export function datasetOfColumns(options: ColumnsOptions): Dataset {
  const { name, fields, classes, parts } = options;
  const labels = options.labels && labelsOf(options.labels, classes, name);
  const size = fields.find((column) => column.size !== undefined)?.size;
  if (size === undefined) {
    const why = fields.length === 0 ? 'no arrays' : 'only arrays without a sample axis';
    throw fail('DATA_EMPTY', `${name} has ${why}`, { name });
  }
  for (const column of [...fields, ...(labels ? [{ name: 'labels', size: labels.size }] : [])]) {
    if (column.size === size || column.size === undefined) continue;
    const why = `${column.name} of ${name} has ${column.size} samples on its first axis, ${fields[0]?.name} ${size}`;
    throw fail('DATA_SHAPE_MISMATCH', why, { name });
  }
  return datasetOf({
    name,
    size,
    fields: fields.map(({ name, dtype, dims }) => ({ name, dtype, dims })),
    labels: labels?.shape,
    parts,
    samples: (wanted) => together(fields, labels, wanted),
  });
}

/** Walks all arrays in step. */
async function* together(
  fields: readonly Column[],
  labels: Labels | undefined,
  { indices, fields: wanted, signal }: Wanted,
): AsyncGenerator<Sample> {
  const rows = wanted.map((position) => iterate(fields[position]!.rows(indices, signal)));
  const labelRows = labels && iterate(labels.rows(indices, signal));
  const all = labelRows ? [...rows, labelRows] : rows;
  try {
    for (const index of indices) {
      const values: Uint8Array[] = [];
      for (const row of all) {
        const { done, value } = await row.next();
        if (done) return;
        values.push(value);
      }
      yield { index, values, label: labelRows ? values.pop() : undefined };
    }
    // Lets every stream come to its end, where its checksum is compared.
    for (const row of all) await row.next();
  } finally {
    for (const row of all) await row.return?.();
  }
}

function iterate<T>(items: AsyncIterable<T> | Iterable<T>): AsyncIterator<T> {
  if (Symbol.asyncIterator in items) return items[Symbol.asyncIterator]();
  const inner = items[Symbol.iterator]();
  return { next: async () => inner.next() };
}

function labelsOf(
  labels: Column | readonly string[],
  classes: readonly string[] | undefined,
  name: string,
): Labels {
  if (!('rows' in labels)) return textLabels(labels, classes, name);
  const { dtype, dims, size } = labels;
  const to = labelDType(dtype, name);
  const shape = { dtype: to, dims, classes };
  if (to === dtype) return { shape, size, rows: labels.rows };
  return {
    shape,
    size,
    async *rows(indices, signal) {
      for await (const row of labels.rows(indices, signal)) {
        yield cast(Tensor.ofBytes(dtype, dims, row), to, `labels of ${name}`).bytes();
      }
    },
  };
}

function textLabels(texts: readonly string[], classes: readonly string[] | undefined, name: string): Labels {
  const scan = new LabelScan();
  for (const [index, text] of texts.entries()) scan.see(text, `sample ${index} of ${name}`);
  const code = withClasses(scan.finish(), classes);
  return {
    shape: { dtype: code.dtype, dims: [], classes: code.classes },
    size: texts.length,
    *rows(indices) {
      for (const index of indices) yield code.encode(texts[index]);
    },
  };
}
