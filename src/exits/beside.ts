import { fail } from '../base/index.ts';
import type { Batch, Dataset } from '../data/index.ts';
import { sizeOf, Tensor } from '../graph/index.ts';

/** An array of numbers for each sample of a dataset. */
export interface Column {
  /** [samples, ...dims], row-major. */
  readonly values: Float32Array;
  readonly dims: readonly number[];
}

/** The dataset with further float32 arrays, which lie in memory. Names must be free; `data` may be of any size. */
export function beside(data: Dataset, columns: Readonly<Record<string, Column>>): Dataset {
  for (const [name, { values, dims }] of Object.entries(columns)) {
    if (data.fields.some((field) => field.name === name) || values.length !== data.size * sizeOf(dims)) {
      throw fail('INTERNAL', `column "${name}" of ${values.length} numbers does not fit beside ${data.name}`);
    }
  }
  const own = Object.entries(columns).map(([name, { dims }]) => ({ name, dtype: 'float32' as const, dims }));
  return {
    ...data,
    fields: [...data.fields, ...own],
    async *read(options = {}) {
      const wanted = options.fields;
      const fields = wanted?.filter((name) => !(name in columns));
      const added = own.filter(({ name }) => wanted === undefined || wanted.includes(name));
      for await (const batch of data.read({ ...options, fields })) {
        yield added.length === 0 ? batch : { ...batch, feeds: { ...batch.feeds, ...rows(batch, added) } };
      }
    },
  };

  function rows({ indices }: Batch, added: typeof own): Record<string, Tensor> {
    return Object.fromEntries(
      added.map(({ name, dims }) => {
        const width = sizeOf(dims);
        const found = new Float32Array(indices.length * width);
        const { values } = columns[name]!;
        for (const [at, i] of indices.entries())
          found.set(values.subarray(i * width, (i + 1) * width), at * width);
        return [name, Tensor.float32([indices.length, ...dims], found)];
      }),
    );
  }
}
