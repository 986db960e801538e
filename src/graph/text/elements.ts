import { byteLengthOf, DTYPES, type DType, sizeOf } from '../dtype.ts';
import { Tensor } from '../tensor.ts';
import { hexOf, quoted, RAW_WORD } from './words.ts';

/** How the elements of a dtype are written: as decimal fractions, as integers (16-bit and smaller floats and packed types by their bits), or as strings. */
export function elementKind(dtype: DType): 'float' | 'integer' | 'string' {
  if (dtype === 'string') return 'string';
  return /^(float32|float64|complex)/.test(dtype) ? 'float' : 'integer';
}

/** The shortest decimal that reads back as the same 32-bit float. */
export function formatFloat32(value: number): string {
  if (!Number.isFinite(value) || Number.isInteger(value)) return formatFloat64(value);
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return String(short);
  }
  return formatFloat64(value);
}

export function formatFloat64(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf';
  return Object.is(value, -0) ? '-0' : String(value);
}

/** NaN as the text says it: quiet, without a payload, with either sign. */
const PLAIN_NANS: ReadonlySet<bigint> = new Set([
  0x7fc00000n,
  0xffc00000n,
  0x7ff8000000000000n,
  0xfff8000000000000n,
]);

/** The data of a tensor: `{1, 2}`, or `raw "..."` where a NaN has a payload; `...` where there are more than `most`. */
export function printElements(tensor: Tensor, most: number): string {
  if (tensor.size > most) return '...';
  if (tensor.dtype === 'string') return `{${tensor.strings().map(quoted).join(', ')}}`;
  const data = tensor.data();
  if (data instanceof Float32Array || data instanceof Float64Array) {
    const bits = bitsOf(data);
    const format = data instanceof Float32Array ? formatFloat32 : formatFloat64;
    const words: string[] = [];
    for (const [i, value] of data.entries()) {
      if (Number.isNaN(value)) {
        const pattern = bits(i);
        if (!PLAIN_NANS.has(pattern)) return `${RAW_WORD} "${hexOf(tensor.bytes())}"`;
        words.push(pattern >> BigInt(data.BYTES_PER_ELEMENT * 8 - 1) === 0n ? 'nan' : '-nan');
      } else words.push(format(value));
    }
    return `{${words.join(', ')}}`;
  }
  return `{${Array.from(data as ArrayLike<number | bigint>, String).join(', ')}}`;
}

function bitsOf(data: Float32Array | Float64Array): (i: number) => bigint {
  if (data instanceof Float64Array) {
    const whole = new BigUint64Array(data.buffer, data.byteOffset, data.length);
    return (i) => whole[i]!;
  }
  const whole = new Uint32Array(data.buffer, data.byteOffset, data.length);
  return (i) => BigInt(whole[i]!);
}

/** The least and greatest integer that an element of the dtype can be written as. */
function rangeOf(dtype: DType): readonly [bigint, bigint] {
  const bits = BigInt(Math.max(8, DTYPES[dtype].bits));
  const signed = /^int(8|16|32|64)$/.test(dtype);
  return signed ? [-(1n << (bits - 1n)), (1n << (bits - 1n)) - 1n] : [0n, (1n << bits) - 1n];
}

/**
 * A tensor of literals as they stand in the text (strings already unquoted). Returns what is wrong as a string where
 * they do not fit. Complex numbers are pairs; types below 8 bits come as packed bytes, as in int32_data.
 */
export function tensorOfLiterals(
  dtype: DType,
  dims: readonly number[],
  literals: readonly string[],
): Tensor | string {
  const size = sizeOf(dims);
  if (dtype === 'string') {
    if (literals.length !== size) return `string[${dims}] takes ${size} strings, not ${literals.length}`;
    return Tensor.ofStrings(dims, literals);
  }
  const { array: ArrayType, bits } = DTYPES[dtype];
  const width = ArrayType.BYTES_PER_ELEMENT;
  const wanted = byteLengthOf(dtype, size) / width;
  if (literals.length !== wanted)
    return `${dtype}[${dims}] takes ${wanted} numbers${bits < 8 ? ' (packed bytes)' : ''}, not ${literals.length}`;
  const data = new ArrayType(new ArrayBuffer(literals.length * width), 0, literals.length);
  const [least, most] = rangeOf(dtype);
  for (const [i, literal] of literals.entries()) {
    if (data instanceof Float32Array || data instanceof Float64Array) {
      const value = numberOf(literal);
      data[i] = value;
      if (Number.isNaN(value)) setNan(data, i, literal.startsWith('-'));
      else if (!Number.isFinite(data[i]!) && Number.isFinite(value))
        return `${literal} is too large for ${dtype}`;
    } else {
      const value = /^-?\d+$/.test(literal) ? BigInt(literal) : undefined;
      if (value === undefined || value < least || value > most) return `${literal} is no ${dtype}`;
      if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[i] = value;
      else data[i] = Number(value);
    }
  }
  return Tensor.of(dtype, dims, data);
}

function setNan(data: Float32Array | Float64Array, i: number, negative: boolean): void {
  const view = new DataView(data.buffer, data.byteOffset + i * data.BYTES_PER_ELEMENT);
  if (data instanceof Float32Array) view.setUint32(0, negative ? 0xffc00000 : 0x7fc00000, true);
  else view.setBigUint64(0, negative ? 0xfff8000000000000n : 0x7ff8000000000000n, true);
}

/** The number of a literal, `inf`, `nan` and their kin included. */
export function numberOf(literal: string): number {
  const word = literal.replace(/^-/, '').toLowerCase();
  const size = word === 'nan' ? Number.NaN : word.startsWith('inf') ? Number.POSITIVE_INFINITY : Number(word);
  return literal.startsWith('-') ? -size : size;
}
