import { fail } from '../base/index.ts';
import { DTYPES, type DType, sizeOf, Tensor, type TypedArray } from '../graph/index.ts';
import type { Blame } from './blame.ts';
import { datatypeOf, isRawOnly, shown } from './datatypes.ts';
import { shapeText } from './shape.ts';

/** What JSON has no numbers for, under the names that protobuf's JSON gives them. */
const NOT_FINITE: Readonly<Record<string, number>> = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  '-Infinity': Number.NEGATIVE_INFINITY,
};

const LONG = /^-?\d{1,20}$/;

/** Puts element i into its place, or answers false where the value is none of the type. */
type Put = (i: number, value: unknown) => boolean;

/**
 * A tensor from the elements that JSON gave: flat, or nested exactly as its shape. Integers must be whole and in range; 64-bit ones
 * may be decimal strings; booleans may be 0 and 1; floats may be "NaN", "Infinity", "-Infinity", and of a server also null (NaN),
 * since that is what many write. Throws `blame`; FP16 and BF16 are refused, as the specification says.
 */
export function tensorOfElements(
  dtype: DType,
  shape: readonly number[],
  data: unknown,
  where: string,
  blame: Blame,
): Tensor {
  if (isRawOnly(dtype)) {
    throw fail(blame, `${where} is ${datatypeOf(dtype)}, which only the binary form carries, not JSON`);
  }
  if (!Array.isArray(data)) throw fail(blame, `${where} needs data, a list of elements`);
  const flat = flatten(data, shape, where, blame);
  const refused = (i: number) =>
    fail(blame, `${where}: element ${i} is ${shown(flat[i])}, no ${datatypeOf(dtype)}`);
  if (dtype === 'string') {
    const odd = flat.findIndex((value) => typeof value !== 'string');
    if (odd >= 0) throw refused(odd);
    return Tensor.ofStrings(shape, flat as readonly string[]);
  }
  const { array, bits } = DTYPES[dtype];
  const values = new array(new ArrayBuffer((flat.length * bits) / 8), 0, flat.length) as TypedArray;
  const put = putter(dtype, values, blame);
  for (let i = 0; i < flat.length; i++) if (!put(i, flat[i])) throw refused(i);
  return Tensor.of(dtype, shape, values);
}

function putter(dtype: DType, values: TypedArray, blame: Blame): Put {
  if (values instanceof BigInt64Array || values instanceof BigUint64Array) return putLong(values);
  if (dtype === 'float32' || dtype === 'float64') return putFloat(values, blame === 'REMOTE_FAILED');
  if (dtype === 'bool') return putBool(values);
  return (i, value) => {
    if (typeof value !== 'number') return false;
    values[i] = value;
    // What was rounded, wrapped or cut reads back as another number.
    return values[i] === value;
  };
}

function putFloat(values: Exclude<TypedArray, BigInt64Array | BigUint64Array>, nulls: boolean): Put {
  return (i, value) => {
    if (typeof value === 'number') {
      values[i] = value;
      return Number.isFinite(values[i]!);
    }
    if (value === null) values[i] = Number.NaN;
    else if (typeof value === 'string' && Object.hasOwn(NOT_FINITE, value)) values[i] = NOT_FINITE[value]!;
    else return false;
    return value !== null || nulls;
  };
}

function putLong(values: BigInt64Array | BigUint64Array): Put {
  return (i, value) => {
    // A number beyond 2^53 has been rounded already: it comes here as text where the JSON was exact.
    const whole = typeof value === 'number' && Number.isSafeInteger(value);
    if (!whole && !(typeof value === 'string' && LONG.test(value))) return false;
    const long = BigInt(value as number | string);
    values[i] = long;
    return values[i] === long;
  };
}

function putBool(values: Exclude<TypedArray, BigInt64Array | BigUint64Array>): Put {
  return (i, value) => {
    if (value !== true && value !== false && value !== 0 && value !== 1) return false;
    values[i] = Number(value);
    return true;
  };
}

function flatten(
  data: readonly unknown[],
  shape: readonly number[],
  where: string,
  blame: Blame,
): readonly unknown[] {
  const size = sizeOf(shape);
  if (!Array.isArray(data[0])) {
    if (data.length === size) return data;
    throw fail(blame, `${where} is ${shapeText(shape)}, ${size} elements, and came with ${data.length}`);
  }
  const flat: unknown[] = [];
  // No deeper than the shape, so nesting without end is refused before it is followed.
  const walk = (list: readonly unknown[], axis: number): void => {
    if (list.length !== shape[axis]) {
      throw fail(
        blame,
        `${where}: a list of ${list.length} where its shape ${shapeText(shape)} has ${shape[axis]} on axis ${axis}`,
      );
    }
    const deepest = axis === shape.length - 1;
    for (const inner of list) {
      if (Array.isArray(inner) === deepest) {
        throw fail(blame, `${where}: its lists are not nested as its shape ${shapeText(shape)}`);
      }
      if (deepest) flat.push(inner);
      else walk(inner as readonly unknown[], axis + 1);
    }
  };
  walk(data, 0);
  return flat;
}
