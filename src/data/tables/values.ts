import { fail } from '../../base/index.ts';
import { type DType, Tensor } from '../../graph/index.ts';
import { cast } from '../cast.ts';

/** The shape of a nested list: a number is [], lists are measured by their first elements. */
export function shapeOf(value: unknown): number[] {
  const dims: number[] = [];
  for (let at = value; isList(at); at = at[0]) {
    dims.push(at.length);
    if (dims.length > 16) throw fail('DATA_DAMAGED', 'lists nested over 16 deep');
  }
  return dims;
}

function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

/** Numbers, nested lists of them or numeric text as a tensor of the shape. Throws DATA_DAMAGED, DATA_DTYPE_MISMATCH, DATA_SHAPE_MISMATCH. */
export function tensorOf(value: unknown, dtype: DType, dims: readonly number[], where: string): Tensor {
  const flat: (number | bigint)[] = [];
  gather(value, dims, 0, flat, where);
  if (flat.some((item) => typeof item === 'bigint')) {
    return cast(Tensor.of('int64', dims, BigInt64Array.from(flat, whole(where))), dtype, where);
  }
  const numbers = Float64Array.from(flat as number[]);
  return cast(Tensor.of('float64', dims, numbers), dtype, where);
}

function whole(where: string): (item: number | bigint) => bigint {
  return (item) => {
    if (typeof item === 'bigint') return item;
    if (Number.isInteger(item)) return BigInt(item);
    throw fail('DATA_DTYPE_MISMATCH', `${where}: ${item} among 64-bit integers`);
  };
}

function gather(
  value: unknown,
  dims: readonly number[],
  axis: number,
  flat: (number | bigint)[],
  where: string,
): void {
  if (axis === dims.length) {
    flat.push(numberOf(value, where));
    return;
  }
  if (!isList(value) || value.length !== dims[axis]) {
    const found = isList(value) ? `${value.length} elements` : print(value);
    throw fail('DATA_SHAPE_MISMATCH', `${where}: ${found} on axis ${axis}, where others have ${dims[axis]}`);
  }
  for (let i = 0; i < value.length; i++) gather(value[i], dims, axis + 1, flat, where);
}

function numberOf(value: unknown, where: string): number | bigint {
  if (typeof value === 'number' || typeof value === 'bigint') return value;
  if (typeof value === 'boolean') return Number(value);
  if (typeof value === 'string') {
    const text = value.trim().toLowerCase();
    const number = text === '' ? Number.NaN : Number(text);
    if (!Number.isNaN(number)) return number;
    if (/^[+-]?nan$/.test(text)) return Number.NaN;
    if (/^[+-]?inf(inity)?$/.test(text)) return text.startsWith('-') ? -Infinity : Infinity;
  }
  throw fail('DATA_DAMAGED', `${where}: ${print(value)} is no number`);
}

function print(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text =
    typeof value === 'object' ? Object.prototype.toString.call(value) : JSON.stringify(String(value));
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
