import { DTYPES, sizeOf, Tensor } from '../../graph/index.ts';

/** The tensor with these indices of one axis alone, in this order. For dtypes of whole bytes. */
export function sliceTensor(tensor: Tensor, axis: number, indices: readonly number[]): Tensor {
  const { dims, dtype } = tensor;
  const width = (DTYPES[dtype].bits / 8) * sizeOf(dims.slice(axis + 1));
  const outer = sizeOf(dims.slice(0, axis));
  const bytes = tensor.bytes();
  const made = new Uint8Array(outer * indices.length * width);
  let to = 0;
  for (let block = 0; block < outer; block++) {
    for (const index of indices) {
      const from = (block * dims[axis]! + index) * width;
      made.set(bytes.subarray(from, from + width), to);
      to += width;
    }
  }
  return Tensor.ofBytes(dtype, dims.with(axis, indices.length), made);
}
