import { fail } from '../base/index.ts';
import { DTYPES, type DType, isFloat, sizeOf, Tensor } from '../graph/index.ts';
import { cast } from './cast.ts';
import type { Batch, Dataset, Field, ReadOptions } from './dataset.ts';
import type { Preprocess } from './options.ts';

/** What is done to the batches of one field, in order. */
interface Step {
  readonly field: Field;
  /** Before the transposition. */
  readonly dims: readonly number[];
  readonly axes?: readonly number[];
  readonly dequantize?: { readonly scale: number; readonly zeroPoint: number };
  readonly dtype: DType;
}

/** The dataset with `dims`, `transpose`, `dequantize` and `cast` of its options done, in this order. Itself where there is nothing to do. */
export function preprocessed(dataset: Dataset, options: Preprocess): Dataset {
  const steps = dataset.fields.map((field) => stepOf(field, options, dataset.name));
  checkNames(dataset, options);
  if (steps.every(isIdle)) return dataset;
  const byName = new Map(steps.map((step) => [step.field.name, step]));
  return {
    ...dataset,
    fields: steps.map(({ field, dtype, dims, axes }) => {
      return { name: field.name, dtype, dims: axes ? axes.map((axis) => dims[axis]!) : dims };
    }),
    read: (read) => mapped(dataset, byName, read),
  };
}

function isIdle({ field, dims, axes, dequantize, dtype }: Step): boolean {
  return (
    axes === undefined &&
    dequantize === undefined &&
    dtype === field.dtype &&
    String(dims) === String(field.dims)
  );
}

function stepOf(field: Field, options: Preprocess, name: string): Step {
  const { dequantize: given, cast: to, dims: told, transpose } = options;
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
  const axes = Array.isArray(transpose) ? transpose : transpose?.[field.name];
  if (axes && String([...axes].sort((a, b) => a - b)) !== String([...dims.keys()])) {
    const why = `transpose [${axes}] does not name each axis of ${field.name} [${dims}] once`;
    throw fail('DATA_SHAPE_MISMATCH', why);
  }
  const wanted = typeof to === 'string' ? to : to?.[field.name];
  return { field, dims, axes, dequantize, dtype: wanted ?? (dequantize ? 'float32' : field.dtype) };
}

function checkNames(dataset: Dataset, { dequantize, cast, dims, transpose }: Preprocess): void {
  const known = new Set(dataset.fields.map((field) => field.name));
  const named = [
    ...(dequantize?.fields ?? []),
    ...(typeof cast === 'object' ? Object.keys(cast) : []),
    ...(typeof dims === 'object' && !Array.isArray(dims) ? Object.keys(dims) : []),
    ...(typeof transpose === 'object' && !Array.isArray(transpose) ? Object.keys(transpose) : []),
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
      const { dims, axes, dequantize, dtype } = steps.get(name)!;
      const shaped = tensor.reshape([batch.indices.length, ...dims]);
      const turned = axes ? transposed(shaped, axes) : shaped;
      const values = dequantize ? dequantized(turned, dequantize) : turned;
      feeds[name] = cast(values, dtype, `${name} of ${dataset.name}`);
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

/** The samples of a batch with their axes in another order. */
function transposed(tensor: Tensor, axes: readonly number[]): Tensor {
  const { dtype, dims } = tensor;
  const order = [0, ...axes.map((axis) => axis + 1)];
  const to = order.map((axis) => dims[axis]!);
  const item = DTYPES[dtype].bits / 8;
  const strides = dims.map((_, axis) => sizeOf(dims.slice(axis + 1)) * item);
  const steps = order.map((axis) => strides[axis]!);
  const source = tensor.bytes();
  const bytes = new Uint8Array(source.length);
  const place = to.map(() => 0);
  for (let at = 0, from = 0; at < bytes.length; at += item) {
    for (let b = 0; b < item; b++) bytes[at + b] = source[from + b]!;
    for (let axis = to.length - 1; axis >= 0; axis--) {
      place[axis]!++;
      from += steps[axis]!;
      if (place[axis]! < to[axis]!) break;
      from -= steps[axis]! * to[axis]!;
      place[axis] = 0;
    }
  }
  return Tensor.ofBytes(dtype, to, bytes);
}
