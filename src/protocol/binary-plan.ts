import { fail } from '../base/index.ts';
import type { DType } from '../graph/index.ts';
import type { Blame } from './blame.ts';
import { checkRawLength } from './named-tensor.ts';

/** Where the bytes of a tensor lie, counted from the start of the body. */
export interface Placed {
  readonly offset: number;
  readonly length: number;
}

interface Sized {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** binary_data_size; undefined: not binary. */
  readonly size: number | undefined;
}

/**
 * The place of every binary tensor: behind the JSON, in the order of the list, without gaps. Throws `blame` where a size is not that of
 * the shape, where there is no header length, or where the sum is not the length of the body.
 */
export function placeBinary(
  tensors: readonly Sized[],
  { headerLength, bodyLength }: { readonly headerLength?: number; readonly bodyLength?: number },
  blame: Blame,
): (Placed | undefined)[] {
  let offset = headerLength ?? 0;
  const places = tensors.map(({ name, dtype, shape, size }) => {
    if (size === undefined) return undefined;
    if (headerLength === undefined) {
      throw fail(
        blame,
        `${name} has binary_data_size, and there is no header Inference-Header-Content-Length`,
      );
    }
    checkRawLength(dtype, shape, size, name, blame);
    const place = { offset, length: size };
    offset += size;
    if (!Number.isSafeInteger(offset)) throw fail(blame, `${name}: binary_data_size adds up to too much`);
    return place;
  });
  if (headerLength !== undefined && bodyLength !== undefined && offset !== bodyLength) {
    throw fail(
      blame,
      `the JSON takes ${headerLength} bytes and the binary tensors ${offset - headerLength}, together ${offset}, and the body has ${bodyLength}`,
    );
  }
  return places;
}

/** The length that the body must have: where the last binary tensor ends. */
export function binaryEnd(
  heads: readonly { readonly binary: Placed | undefined }[],
  headerLength: number,
): number {
  return heads.reduce((end, { binary }) => end + (binary?.length ?? 0), headerLength);
}

/**
 * The value of Inference-Header-Content-Length. 0 means a raw binary request; undefined: no such header. Throws `blame` where it is no whole number,
 * or more than the body.
 */
export function readHeaderLength(
  value: string | null | undefined,
  bodyLength: number | undefined,
  blame: Blame,
): number | undefined {
  if (value === null || value === undefined) return undefined;
  const length = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
  if (Number.isNaN(length)) {
    throw fail(
      blame,
      `Inference-Header-Content-Length is "${value.slice(0, 40)}", no whole number from 0 up`,
    );
  }
  if (bodyLength !== undefined && length > bodyLength) {
    throw fail(blame, `Inference-Header-Content-Length is ${length}, and the body has ${bodyLength} bytes`);
  }
  return length;
}
