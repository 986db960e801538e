import { sizeOf } from '../../../graph/index.ts';

/** How numbers lie in memory. Quantized activations are i16: the number less its zero point. */
export type Store = 'f32' | 'i16' | 'i32' | 'i64' | 'u8' | 'i8';

export const STORE_BYTES = { f32: 4, i16: 2, i32: 4, i64: 8, u8: 1, i8: 1 } as const satisfies Record<
  Store,
  number
>;

/** Memory that is written once a run, or holds weights. */
export interface Buffer {
  readonly id: number;
  readonly store: Store;
  readonly bytes: number;
  /** For messages and the memory plan. */
  readonly name: string;
  /** Weights: what the memory holds from the start. */
  readonly data?: Uint8Array;
  /** Inputs and outputs: the caller sees them, before or after a run. */
  readonly pinned?: 'input' | 'output';
}

/** Room around the spatial axes: elements before and after on each, filled with zeros, or with the lowest number. */
export interface Border {
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly fill: 'zero' | 'lowest';
}

/** A tensor as it lies in a buffer: strides and offset count elements. */
export interface View {
  readonly buffer: Buffer;
  readonly offset: number;
  readonly dims: readonly number[];
  readonly strides: readonly number[];
  /** Around the last axes of a tensor [N, C, spatial...]. */
  readonly border?: Border;
}

export function rowMajor(dims: readonly number[]): number[] {
  const strides = new Array<number>(dims.length);
  let stride = 1;
  for (let i = dims.length - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= dims[i]!;
  }
  return strides;
}

/** True where the elements lie one after another in the order of the axes. */
export function isContiguous({ dims, strides }: View): boolean {
  const wanted = rowMajor(dims);
  return dims.every((dim, i) => dim === 1 || strides[i] === wanted[i]);
}

/** Bytes of one element. */
export const elementBytes = (view: View): number => STORE_BYTES[view.buffer.store];

/** The same numbers under a shape that they are broadcast to: stride 0 along what is repeated. */
export function broadcastTo(view: View, dims: readonly number[]): View {
  const lead = dims.length - view.dims.length;
  const strides = dims.map((_, i) => (i < lead || view.dims[i - lead] === 1 ? 0 : view.strides[i - lead]!));
  return { buffer: view.buffer, offset: view.offset, dims, strides };
}

/** Part of a view: from `start`, `count` elements, every `step`th, along an axis. */
export function sliceOf(view: View, axis: number, start: number, count: number, step = 1): View {
  const stride = view.strides[axis]!;
  return {
    buffer: view.buffer,
    offset: view.offset + start * stride,
    dims: view.dims.map((dim, i) => (i === axis ? count : dim)),
    strides: view.strides.map((own, i) => (i === axis ? own * step : own)),
  };
}

export function permuted(view: View, perm: readonly number[]): View {
  return {
    buffer: view.buffer,
    offset: view.offset,
    dims: perm.map((axis) => view.dims[axis]!),
    strides: perm.map((axis) => view.strides[axis]!),
  };
}

/** The view under another shape of the same size, where no number has to move; else undefined. */
export function reshaped(view: View, dims: readonly number[]): View | undefined {
  if (sizeOf(dims) !== sizeOf(view.dims)) return undefined;
  const old = view.dims.flatMap((dim, i) => (dim === 1 ? [] : [{ dim, stride: view.strides[i]! }]));
  const strides = new Array<number>(dims.length).fill(0);
  const wide = dims.flatMap((dim, i) => (dim === 1 ? [] : [i]));
  // Groups of old axes and of new ones that hold equally many elements, from the left (as numpy does it).
  for (let [i, j] = [0, 0]; i < old.length; ) {
    let [lastOld, lastNew] = [i, j];
    let [had, want] = [old[i]!.dim, dims[wide[j]!]!];
    while (had !== want) {
      if (want < had) want *= dims[wide[++lastNew]!]!;
      else had *= old[++lastOld]!.dim;
    }
    for (let k = i; k < lastOld; k++) {
      if (old[k]!.stride !== old[k + 1]!.stride * old[k + 1]!.dim) return undefined;
    }
    let stride = old[lastOld]!.stride;
    for (let k = lastNew; k >= j; k--) {
      strides[wide[k]!] = stride;
      stride *= dims[wide[k]!]!;
    }
    [i, j] = [lastOld + 1, lastNew + 1];
  }
  return { buffer: view.buffer, offset: view.offset, dims, strides };
}
