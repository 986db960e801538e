import { type DType, isFloat, sizeOf, Tensor } from '../../src/graph/index.ts';

/** What the elements are. Floats are doubles here, whatever the file says. */
export type Kind = 'float' | 'int' | 'bool';

/**
 * A dense array in row-major order. Integers are whole numbers up to 2^53 in size, booleans 0 and 1.
 * Immutable by agreement: nobody writes into `data` of a value that it did not make.
 */
export interface Value {
  readonly kind: Kind;
  /** Shape; [] is a scalar. */
  readonly dims: readonly number[];
  readonly data: Float64Array;
  /** The width of an integer, for what depends on it: wrapping, saturation. Absent: int64. */
  readonly dtype?: DType;
}

function make(kind: Kind, dims: readonly number[], data: ArrayLike<number>, dtype?: DType): Value {
  if (data.length !== sizeOf(dims)) throw new Error(`${data.length} elements do not make [${dims}]`);
  return {
    kind,
    dims: [...dims],
    data: data instanceof Float64Array ? data : Float64Array.from(data),
    ...(kind === 'int' && dtype !== undefined && { dtype }),
  };
}

export const float = (dims: readonly number[], data: ArrayLike<number>): Value => make('float', dims, data);

export const int = (dims: readonly number[], data: ArrayLike<number>, dtype: DType = 'int64'): Value =>
  make('int', dims, data, dtype);

export const bool = (dims: readonly number[], data: ArrayLike<number>): Value => make('bool', dims, data);

/** A value of the kind (and width) of another one. */
export const like = (one: Value, dims: readonly number[], data: ArrayLike<number>): Value =>
  make(one.kind, dims, data, one.dtype);

/** A value of the kind that a dtype is of; floats of all widths are alike. Throws for strings and complex numbers. */
export function ofDtype(dtype: DType, dims: readonly number[], data: ArrayLike<number>): Value {
  if (isFloat(dtype)) return float(dims, data);
  if (dtype === 'bool') return bool(dims, data);
  if (!/^u?int\d+$/.test(dtype)) throw new Error(`the reference knows no ${dtype}`);
  return int(dims, data, dtype);
}

/** IEEE 754 binary16. */
function ofHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** bfloat16: the upper half of a float32. */
function ofBrain(bits: number): number {
  return new Float32Array(Uint32Array.of(bits * 65536).buffer)[0]!;
}

/** The elements of a tensor as doubles. Throws for strings, complex numbers, floats of 8 bits and all that is packed. */
export function ofTensor(tensor: Tensor): Value {
  const { dtype, dims } = tensor;
  if (/^(float[48]|u?int[24]$|string|complex)/.test(dtype))
    throw new Error(`the reference knows no ${dtype}`);
  const numbers = tensor.numbers();
  if (dtype === 'float16') return float(dims, numbers.map(ofHalf));
  if (dtype === 'bfloat16') return float(dims, numbers.map(ofBrain));
  return ofDtype(dtype, dims, numbers);
}

/** The same as a tensor that a session takes: floats rounded to float32, integers of the width they have. */
export function toTensor({ kind, dims, data, dtype = 'int64' }: Value): Tensor {
  if (kind === 'float') return Tensor.float32(dims, data);
  if (kind === 'bool') return Tensor.of('bool', dims, Uint8Array.from(data));
  if (dtype === 'int64') return Tensor.int64(dims, [...data]);
  if (dtype === 'uint64') return Tensor.of(dtype, dims, BigUint64Array.from(data, BigInt));
  const arrays = {
    int8: Int8Array,
    uint8: Uint8Array,
    int16: Int16Array,
    uint16: Uint16Array,
    int32: Int32Array,
    uint32: Uint32Array,
  };
  const name = dtype as keyof typeof arrays;
  return Tensor.of(name, dims, arrays[name].from(data));
}

/** Lowest and highest integer of a width. */
export function rangeOf(dtype: DType): [low: number, high: number] {
  const bits = Number(dtype.match(/\d+$/)?.[0]);
  return dtype.startsWith('u') ? [0, 2 ** bits - 1] : [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1];
}

/** An integer as it comes out of arithmetic of a width: modulo 2^bits. 64 bits never wrap here. */
export function wrap(whole: number, dtype: DType = 'int64'): number {
  if (dtype.endsWith('64')) return whole;
  const [low, high] = rangeOf(dtype);
  const size = high - low + 1;
  return ((((whole - low) % size) + size) % size) + low;
}
