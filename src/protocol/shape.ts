import { fail } from '../base/index.ts';
import type { Blame } from './blame.ts';
import { shown } from './datatypes.ts';

/** More dimensions than this are refused: no model has them. */
export const MOST_DIMS = 64;

/** The shape of a tensor in a message: whole numbers from 0 up, and a number of elements that can be counted. Throws `blame`. */
export function readShape(value: unknown, where: string, blame: Blame): readonly number[] {
  if (!Array.isArray(value)) throw fail(blame, `${where} needs a shape, a list of whole numbers`);
  if (value.length > MOST_DIMS)
    throw fail(blame, `${where} has ${value.length} dimensions; at most ${MOST_DIMS} are read`);
  for (const [axis, dim] of value.entries()) {
    if (!Number.isSafeInteger(dim) || dim < 0) {
      throw fail(
        blame,
        `${where}: dimension ${axis} of its shape is ${shown(dim)}, no whole number from 0 up`,
      );
    }
  }
  // Each step is looked at, since zeros behind would hide a product that cannot be counted.
  let size = 1;
  for (const dim of value as number[]) {
    size *= Math.max(1, dim);
    if (!Number.isSafeInteger(size * 8))
      throw fail(blame, `${where}: shape [${value}] has too many elements`);
  }
  return value as number[];
}

/** The same for shapes of 64-bit integers, as gRPC has them. */
export function readLongShape(value: readonly bigint[], where: string, blame: Blame): readonly number[] {
  return readShape(value.length > MOST_DIMS ? value : value.map(Number), where, blame);
}

export const shapeText = (shape: readonly number[]): string => `[${shape.join(', ')}]`;
