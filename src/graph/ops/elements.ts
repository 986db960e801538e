import { sizeOf } from '../dtype.ts';
import { isStatic } from './dims.ts';
import { type Element, type Known, MOST_ELEMENTS } from './op.ts';

/** Following small tensors by value, so that shapes computed from shapes resolve. */

/** The number of elements of a static shape small enough to be followed, else undefined. */
export function followed(shape: Known['shape']): number | undefined {
  if (!isStatic(shape)) return undefined;
  const size = sizeOf(shape);
  return size <= MOST_ELEMENTS ? size : undefined;
}

/** Row-major strides of a static shape. */
export function stridesOf(dims: readonly number[]): number[] {
  const strides = new Array<number>(dims.length).fill(1);
  for (let i = dims.length - 2; i >= 0; i--) strides[i] = strides[i + 1]! * dims[i + 1]!;
  return strides;
}

/** Visits all indices of a static shape in row-major order. */
export function* indicesOf(dims: readonly number[]): Generator<readonly number[]> {
  const index = new Array<number>(dims.length).fill(0);
  for (let left = sizeOf(dims); left > 0; left--) {
    yield index;
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      index[axis]! += 1;
      if (index[axis]! < dims[axis]!) break;
      index[axis] = 0;
    }
  }
}

/** Elements of an output of shape `dims`, each taken from `source` at the index that `from` gives. */
export function gathered(
  source: Known,
  dims: Known['shape'],
  from: (index: readonly number[]) => readonly number[],
): Element[] | undefined {
  if (source.elements === undefined || !isStatic(source.shape) || followed(dims) === undefined)
    return undefined;
  const strides = stridesOf(source.shape);
  const result: Element[] = [];
  for (const index of indicesOf(dims as readonly number[])) {
    let at = 0;
    for (const [axis, i] of from(index).entries()) at += i * strides[axis]!;
    result.push(source.elements[at] ?? null);
  }
  return result;
}

/** Elements after broadcasting to `dims`. */
export function broadcastElements(source: Known, dims: Known['shape']): readonly Element[] | undefined {
  const shape = source.shape;
  if (!isStatic(shape) || dims === undefined) return undefined;
  if (shape.length === dims.length && shape.every((dim, i) => dim === dims[i])) {
    return followed(dims) === undefined ? undefined : source.elements;
  }
  const shift = dims.length - shape.length;
  return gathered(source, dims, (index) => shape.map((dim, axis) => (dim === 1 ? 0 : index[axis + shift]!)));
}
