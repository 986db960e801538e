import { fail } from '../base/index.ts';
import { byteLengthOf, DTYPES, sizeOf, Tensor } from '../graph/index.ts';

/** The samples of the given numbers, in that order, along an axis. A new tensor. Throws STAGES_INVALID for packed dtypes. */
export function takeRows(tensor: Tensor, rows: ArrayLike<number>, axis = 0): Tensor {
  const dims = tensor.dims.with(axis, rows.length);
  const outer = sizeOf(tensor.dims.slice(0, axis));
  const inner = sizeOf(tensor.dims.slice(axis + 1));
  const samples = tensor.dims[axis]!;
  if (tensor.dtype === 'string') {
    const from = tensor.strings();
    const to: string[] = [];
    for (let o = 0; o < outer; o++) {
      for (let r = 0; r < rows.length; r++) {
        const start = (o * samples + rows[r]!) * inner;
        for (let i = 0; i < inner; i++) to.push(from[start + i]!);
      }
    }
    return Tensor.ofStrings(dims, to);
  }
  const width = rowBytes(tensor, inner);
  const from = tensor.bytes();
  const to = new Uint8Array(outer * rows.length * width);
  for (let o = 0, place = 0; o < outer; o++) {
    for (let r = 0; r < rows.length; r++, place += width) {
      const start = (o * samples + rows[r]!) * width;
      to.set(from.subarray(start, start + width), place);
    }
  }
  return Tensor.ofBytes(tensor.dtype, dims, to);
}

/**
 * The samples of the given numbers, ascending, along the first axis, moved to the front of the tensor's own memory: the tensor itself
 * is nothing any more. Only for one that nobody else holds. Throws STAGES_INVALID for packed dtypes.
 */
export function packRows(tensor: Tensor, rows: ArrayLike<number>): Tensor {
  if (tensor.dtype === 'string') return takeRows(tensor, rows);
  const dims = tensor.dims.with(0, rows.length);
  const width = rowBytes(tensor, sizeOf(dims.slice(1)));
  const bytes = tensor.bytes();
  for (let r = 0; r < rows.length; r++) {
    const from = rows[r]! * width;
    if (from !== r * width) bytes.copyWithin(r * width, from, from + width);
  }
  return Tensor.ofBytes(tensor.dtype, dims, bytes.subarray(0, rows.length * width));
}

/** Some samples of a whole: `tensor` holds, along its first axis, those of the numbers in `rows`. */
export interface Part {
  readonly tensor: Tensor;
  readonly rows: ArrayLike<number>;
}

/**
 * One tensor of `samples` from parts that together hold each of them once. Parts that hold all in order come back as they are.
 * Throws STAGES_INVALID where parts differ in dtype or in what follows the first axis, or hold other rows than they say.
 */
export function joinRows(parts: readonly Part[], samples: number, name: string): Tensor {
  const first = parts[0];
  if (first === undefined) throw fail('STAGES_INVALID', `output ${name} was answered by nobody`);
  // One call with one sample may answer without an axis for it.
  if (parts.length === 1 && samples === 1) return first.tensor;
  const rest = first.tensor.dims.slice(1);
  for (const { tensor, rows } of parts) {
    const alike = tensor.dtype === first.tensor.dtype && `${tensor.dims.slice(1)}` === `${rest}`;
    if (alike && tensor.dims.length > 0 && tensor.dims[0] === rows.length) continue;
    const what = `${tensor.dtype}[${tensor.dims}] for ${rows.length} samples`;
    throw fail(
      'STAGES_INVALID',
      `output ${name} is ${what} from one stage and ${first.tensor.dtype}[${first.tensor.dims}] from another`,
      { output: name },
    );
  }
  if (parts.length === 1 && inOrder(first.rows, samples)) return first.tensor;
  const dims = [samples, ...rest];
  if (first.tensor.dtype === 'string') {
    const inner = sizeOf(rest);
    const to = new Array<string>(samples * inner).fill('');
    for (const { tensor, rows } of parts) {
      for (const [i, text] of tensor.strings().entries()) {
        to[rows[Math.floor(i / inner)]! * inner + (i % inner)] = text;
      }
    }
    return Tensor.ofStrings(dims, to);
  }
  const width = rowBytes(first.tensor, sizeOf(rest));
  const to = new Uint8Array(samples * width);
  for (const { tensor, rows } of parts) {
    const from = tensor.bytes();
    for (let r = 0; r < rows.length; r++) to.set(from.subarray(r * width, (r + 1) * width), rows[r]! * width);
  }
  return Tensor.ofBytes(first.tensor.dtype, dims, to);
}

function inOrder(rows: ArrayLike<number>, samples: number): boolean {
  if (rows.length !== samples) return false;
  for (let i = 0; i < samples; i++) if (rows[i] !== i) return false;
  return true;
}

/** Bytes of `elements` elements. */
function rowBytes({ dtype }: Tensor, elements: number): number {
  if (DTYPES[dtype].bits % 8 === 0) return byteLengthOf(dtype, elements);
  throw fail('STAGES_INVALID', `samples of ${dtype} share bytes and cannot be told apart`);
}
