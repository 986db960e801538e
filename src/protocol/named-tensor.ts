import { fail } from '../base/index.ts';
import { byteLengthOf, type DType, sizeOf, Tensor } from '../graph/index.ts';
import type { Blame } from './blame.ts';
import { decodeByteStrings, encodeByteStrings } from './byte-strings.ts';
import { type Datatype, datatypeOf } from './datatypes.ts';
import { shapeText } from './shape.ts';

/** Tensors travel as lists: names from a message never become keys unseen, and their order is kept. */
export interface NamedTensor {
  readonly name: string;
  readonly tensor: Tensor;
}

/** The protocol's name for the dtype of a tensor that is to be sent. Throws `blame` where it has none. */
export function datatypeOfSent(name: string, { dtype }: Tensor, blame: Blame): Datatype {
  const datatype = datatypeOf(dtype);
  if (datatype !== undefined) return datatype;
  throw fail(blame, `${name} is ${dtype}, which the protocol does not carry`);
}

/** Raw bytes, row-major and little-endian: a view where possible. */
export function rawOf(tensor: Tensor): Uint8Array {
  return tensor.dtype === 'string' ? encodeByteStrings(tensor.strings()) : tensor.bytes();
}

/** Throws `blame` unless so many raw bytes can be this tensor. BYTES can be seen only when they are read. */
export function checkRawLength(
  dtype: DType,
  shape: readonly number[],
  length: number,
  where: string,
  blame: Blame,
): void {
  if (dtype === 'string') {
    const least = 4 * sizeOf(shape);
    if (length >= least && (sizeOf(shape) > 0 || length === 0)) return;
    throw fail(blame, `${where}: BYTES${shapeText(shape)} takes at least ${least} bytes, not ${length}`);
  }
  const wanted = byteLengthOf(dtype, sizeOf(shape));
  if (length !== wanted) {
    throw fail(
      blame,
      `${where}: ${datatypeOf(dtype)}${shapeText(shape)} takes ${wanted} bytes, not ${length}`,
    );
  }
}

/** A tensor over raw bytes, which are kept as a view. Throws `blame` where they do not fit, are no UTF-8 or no booleans. */
export function tensorOfRaw(
  dtype: DType,
  shape: readonly number[],
  bytes: Uint8Array,
  where: string,
  blame: Blame,
): Tensor {
  checkRawLength(dtype, shape, bytes.byteLength, where, blame);
  if (dtype === 'string') {
    return Tensor.ofStrings(shape, decodeByteStrings(bytes, sizeOf(shape), where, blame));
  }
  if (dtype === 'bool') checkBools(bytes, where, blame);
  return Tensor.ofBytes(dtype, shape, bytes);
}

/** Throws `blame` where a byte is neither 0 nor 1: to a runtime such a boolean is undefined behaviour. */
export function checkBools(bytes: Uint8Array, where: string, blame: Blame): void {
  const at = bytes.findIndex((byte) => byte > 1);
  if (at >= 0) throw fail(blame, `${where}: byte ${at} of a BOOL tensor is ${bytes[at]}, neither 0 nor 1`);
}
