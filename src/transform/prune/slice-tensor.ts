import { sizeOf, Tensor, type TypedArray } from '../../graph/index.ts';

/** Below this many elements a loop is faster than a view and a copy. */
const FEW = 32;

/** The tensor with these indices of one axis alone, in this order. For dtypes of whole bytes. */
export function sliceTensor(tensor: Tensor, axis: number, indices: readonly number[]): Tensor {
  const { dims, dtype } = tensor;
  const inner = sizeOf(dims.slice(axis + 1));
  const outer = sizeOf(dims.slice(0, axis));
  const data = tensor.data();
  const made = data.slice(0, outer * indices.length * inner);
  let to = 0;
  for (let block = 0; block < outer; block++) {
    for (const index of indices) {
      const from = (block * dims[axis]! + index) * inner;
      if (inner >= FEW) copyRun(data, from, made, to, inner);
      else for (let i = 0; i < inner; i++) made[to + i] = data[from + i]!;
      to += inner;
    }
  }
  return Tensor.ofBytes(
    dtype,
    dims.with(axis, indices.length),
    new Uint8Array(made.buffer, made.byteOffset, made.byteLength),
  );
}

function copyRun(from: TypedArray, at: number, to: TypedArray, place: number, count: number): void {
  const bytes = from.BYTES_PER_ELEMENT;
  const source = new Uint8Array(from.buffer, from.byteOffset + at * bytes, count * bytes);
  new Uint8Array(to.buffer, to.byteOffset, to.byteLength).set(source, place * bytes);
}
