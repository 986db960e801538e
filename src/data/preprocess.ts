import { fail } from '../base/index.ts';
import { type DType, isFloat, sizeOf, Tensor } from '../graph/index.ts';
import { cast } from './cast.ts';
import type { Batch, Dataset, Field, ReadOptions } from './dataset.ts';
import type { Preprocess } from './options.ts';

/** What is done to the batches of one field, in order. */
interface Step {
  readonly field: Field;
  readonly dims: readonly number[];
  readonly dequantize?: { readonly scale: number; readonly zeroPoint: number };
  readonly dtype: DType;
}

/** The dataset with `dims`, `dequantize` and `cast` of its options done, in this order. Itself where there is nothing to do. */
export function preprocessed(dataset: Dataset, options: Preprocess): Dataset {
  const steps = dataset.fields.map((field) => stepOf(field, options, dataset.name));
  checkNames(dataset, options);
  if (steps.every(isIdle)) return dataset;
  const byName = new Map(steps.map((step) => [step.field.name, step]));
  return {
    ...dataset,
    fields: steps.map(({ field, dtype, dims }) => ({ name: field.name, dtype, dims })),
    read: (read) => mapped(dataset, byName, read),
  };
}

function isIdle({ field, dims, dequantize, dtype }: Step): boolean {
  return dequantize === undefined && dtype === field.dtype && String(dims) === String(field.dims);
}

function stepOf(field: Field, options: Preprocess, name: string): Step {
  const { dequantize: given, cast: to, dims: told } = options;
  const dequantize = given && (given.fields?.includes(field.name) ?? true) ? given : undefined;
  if (dequantize && isFloat(field.dtype)) {
    throw fail(
      'DATA_DTYPE_MISMATCH',
      `${field.name} of ${name} is ${field.dtype} already: nothing to dequantize`,
    );
  }
  const dims = (Array.isArray(told) ? told : told?.[field.name]) ?? field.dims;
  if (sizeOf(dims) !== sizeOf(field.dims)) {
    throw fail(
      'DATA_SHAPE_MISMATCH',
      `samples of ${field.name} are [${field.dims}] and cannot be seen as [${dims}]`,
    );
  }
  const wanted = typeof to === 'string' ? to : to?.[field.name];
  return { field, dims, dequantize, dtype: wanted ?? (dequantize ? 'float32' : field.dtype) };
}

function checkNames(dataset: Dataset, { dequantize, cast, dims }: Preprocess): void {
  const known = new Set(dataset.fields.map((field) => field.name));
  const named = [
    ...(dequantize?.fields ?? []),
    ...(typeof cast === 'object' ? Object.keys(cast) : []),
    ...(typeof dims === 'object' && !Array.isArray(dims) ? Object.keys(dims) : []),
  ];
  const unknown = named.find((name) => !known.has(name));
  if (unknown === undefined) return;
  throw fail(
    'DATA_NAMES_MISMATCH',
    `preprocess names ${unknown}, ${dataset.name} has ${[...known].join(', ')}`,
  );
}

async function* mapped(
  dataset: Dataset,
  steps: ReadonlyMap<string, Step>,
  read: ReadOptions | undefined,
): AsyncGenerator<Batch> {
  for await (const batch of dataset.read(read)) {
    const feeds: Record<string, Tensor> = {};
    for (const [name, tensor] of Object.entries(batch.feeds)) {
      const { dims, dequantize, dtype } = steps.get(name)!;
      const values = dequantize ? dequantized(tensor, dequantize) : tensor;
      feeds[name] = cast(values, dtype, `${name} of ${dataset.name}`).reshape([
        batch.indices.length,
        ...dims,
      ]);
    }
    yield { ...batch, feeds };
  }
}

function dequantized(tensor: Tensor, { scale, zeroPoint }: { scale: number; zeroPoint: number }): Tensor {
  const values = new Float32Array(tensor.size);
  const data = tensor.data();
  for (let i = 0; i < values.length; i++) values[i] = (Number(data[i]) - zeroPoint) * scale;
  return Tensor.float32(tensor.dims, values);
}
