import { sizeOf } from '../../src/graph/index.ts';
import { like, type Value } from './value.ts';

/** Calls for every index of a shape in row-major order. `index` is one array that changes; copy it to keep it. */
export function eachIndex(
  dims: readonly number[],
  visit: (index: readonly number[], flat: number) => void,
): void {
  const size = sizeOf(dims);
  const index = dims.map(() => 0);
  for (let flat = 0; flat < size; flat++) {
    visit(index, flat);
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      index[axis]! += 1;
      if (index[axis]! < dims[axis]!) break;
      index[axis] = 0;
    }
  }
}

/** Where the element of an index lies. */
export function offsetOf(dims: readonly number[], index: readonly number[]): number {
  let offset = 0;
  for (let axis = 0; axis < dims.length; axis++) offset = offset * dims[axis]! + index[axis]!;
  return offset;
}

/** Whether an index lies inside of a shape. */
export function inside(dims: readonly number[], index: readonly number[]): boolean {
  return dims.every((dim, axis) => index[axis]! >= 0 && index[axis]! < dim);
}

/** Where the element lies that a value of shape `dims` has at an index of a shape it is broadcast to. */
export function broadcastOffset(dims: readonly number[], index: readonly number[]): number {
  const skipped = index.length - dims.length;
  let offset = 0;
  for (let axis = 0; axis < dims.length; axis++) {
    offset = offset * dims[axis]! + (dims[axis] === 1 ? 0 : index[axis + skipped]!);
  }
  return offset;
}

/** The shape that shapes are broadcast to together (numpy's rule). */
export function broadcastDims(...shapes: (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((dims) => dims.length));
  return Array.from({ length: rank }, (_, axis) => {
    let size = 1;
    for (const dims of shapes) {
      const dim = dims[axis - rank + dims.length] ?? 1;
      if (dim === 1) continue;
      if (size !== 1 && size !== dim) throw new Error(`[${shapes.join('] [')}] do not broadcast`);
      size = dim;
    }
    return size;
  });
}

/** An axis counted from the front. */
export function axisIn(axis: number, rank: number): number {
  const found = axis < 0 ? axis + rank : axis;
  if (found < 0 || found >= rank) throw new Error(`no axis ${axis} in rank ${rank}`);
  return found;
}

/** A value whose every element is one of another: `from` gives the index there, or undefined for `other`. */
export function picked(
  value: Value,
  dims: readonly number[],
  from: (index: readonly number[]) => readonly number[] | undefined,
  other = 0,
): Value {
  const data = new Float64Array(sizeOf(dims));
  eachIndex(dims, (index, flat) => {
    const source = from(index);
    if (source === undefined) data[flat] = other;
    else if (inside(value.dims, source)) data[flat] = value.data[offsetOf(value.dims, source)]!;
    else throw new Error(`[${source}] lies outside of [${value.dims}]`);
  });
  return like(value, dims, data);
}

/**
 * Offsets of the elements that differ only along `axes`, one list for each index of the other axes; both in row-major
 * order.
 */
export function groupsAlong(dims: readonly number[], axes: readonly number[]): number[][] {
  const kept = dims.map((dim, axis) => (axes.includes(axis) ? 1 : dim));
  const groups: number[][] = Array.from({ length: sizeOf(kept) }, () => []);
  eachIndex(dims, (index, flat) => {
    const at = index.map((i, axis) => (axes.includes(axis) ? 0 : i));
    groups[offsetOf(kept, at)]!.push(flat);
  });
  return groups;
}
