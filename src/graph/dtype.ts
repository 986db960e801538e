/** Element types of ONNX (TensorProto.DataType), under the names that numpy gives them. */
export type TypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

export interface DTypeRow {
  /** The number in TensorProto.DataType. */
  readonly onnx: number;
  /** Bits per element in raw_data; sub-byte types pack low bits first. 0: not of fixed size. */
  readonly bits: number;
  /** The array that holds it; 16-bit floats come as their bits, sub-byte types as packed bytes. */
  readonly array: new (
    buffer: ArrayBufferLike,
    offset: number,
    length: number,
  ) => TypedArray;
}

export const DTYPES = {
  float32: { onnx: 1, bits: 32, array: Float32Array },
  uint8: { onnx: 2, bits: 8, array: Uint8Array },
  int8: { onnx: 3, bits: 8, array: Int8Array },
  uint16: { onnx: 4, bits: 16, array: Uint16Array },
  int16: { onnx: 5, bits: 16, array: Int16Array },
  int32: { onnx: 6, bits: 32, array: Int32Array },
  int64: { onnx: 7, bits: 64, array: BigInt64Array },
  string: { onnx: 8, bits: 0, array: Uint8Array },
  bool: { onnx: 9, bits: 8, array: Uint8Array },
  float16: { onnx: 10, bits: 16, array: Uint16Array },
  float64: { onnx: 11, bits: 64, array: Float64Array },
  uint32: { onnx: 12, bits: 32, array: Uint32Array },
  uint64: { onnx: 13, bits: 64, array: BigUint64Array },
  complex64: { onnx: 14, bits: 64, array: Float32Array },
  complex128: { onnx: 15, bits: 128, array: Float64Array },
  bfloat16: { onnx: 16, bits: 16, array: Uint16Array },
  float8e4m3fn: { onnx: 17, bits: 8, array: Uint8Array },
  float8e4m3fnuz: { onnx: 18, bits: 8, array: Uint8Array },
  float8e5m2: { onnx: 19, bits: 8, array: Uint8Array },
  float8e5m2fnuz: { onnx: 20, bits: 8, array: Uint8Array },
  uint4: { onnx: 21, bits: 4, array: Uint8Array },
  int4: { onnx: 22, bits: 4, array: Uint8Array },
  float4e2m1: { onnx: 23, bits: 4, array: Uint8Array },
  float8e8m0: { onnx: 24, bits: 8, array: Uint8Array },
  uint2: { onnx: 25, bits: 2, array: Uint8Array },
  int2: { onnx: 26, bits: 2, array: Uint8Array },
} as const satisfies Record<string, DTypeRow>;

export type DType = keyof typeof DTYPES;

const BY_NUMBER = new Map<number, DType>(
  (Object.keys(DTYPES) as DType[]).map((name) => [DTYPES[name].onnx, name]),
);

/** The dtype of a TensorProto.DataType number, or undefined for UNDEFINED and numbers not known. */
export function dtypeOfNumber(onnx: number): DType | undefined {
  return BY_NUMBER.get(onnx);
}

/** Bytes that `count` elements take in raw_data. */
export function byteLengthOf(dtype: DType, count: number): number {
  return Math.ceil((count * DTYPES[dtype].bits) / 8);
}

/** Product of the dimensions; 1 for a scalar. */
export function sizeOf(dims: readonly number[]): number {
  let size = 1;
  for (const dim of dims) size *= dim;
  return size;
}

export function isFloat(dtype: DType): boolean {
  return dtype.startsWith('float') || dtype === 'bfloat16';
}
