import { fail } from '../../base/index.ts';
import { byteLengthOf, type DType, dtypeOfNumber, sizeOf } from '../dtype.ts';
import type { SparseTensor } from '../model.ts';
import { type ByteSource, Tensor } from '../tensor.ts';
import { type SparseTensorProto, type TensorProto, TensorProto_DataLocation } from './onnx_pb.ts';

/** Finds the bytes of an external tensor (docs/IR.md, "External Tensor Data"). Throws EXTERNAL_MISSING or EXTERNAL_ESCAPES. */
export type ExternalResolver = (location: string, offset: number, length: number) => ByteSource;

/** More elements than any buffer can hold: a size that only damaged files have. */
const MOST_ELEMENTS = 2 ** 42;

/** A 64-bit number as one that a double holds exactly. */
export function safe(value: bigint, what: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw fail('MODEL_INVALID', `${what} is ${value}`);
  return number;
}

export function decodeTensor(proto: TensorProto, external: ExternalResolver): Tensor {
  const dims = proto.dims.map((dim) => safe(dim, `a dimension of tensor "${proto.name}"`));
  if (dims.some((dim) => dim < 0) || sizeOf(dims) > MOST_ELEMENTS) {
    throw fail('MODEL_INVALID', `tensor "${proto.name}" has the shape [${dims}]`);
  }
  const dtype = dtypeOfNumber(proto.dataType);
  if (dtype === undefined) {
    throw fail(
      'MODEL_INVALID',
      `tensor "${proto.name}" has the data type ${proto.dataType}, which ONNX does not define`,
    );
  }
  if (proto.dataLocation === TensorProto_DataLocation.EXTERNAL)
    return decodeExternal(proto, dtype, dims, external);
  if (dtype === 'string') {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    return Tensor.ofStrings(
      dims,
      proto.stringData.map((bytes) => decoder.decode(bytes)),
    );
  }
  if (proto.rawData.byteLength > 0) return Tensor.ofBytes(dtype, dims, proto.rawData);
  return Tensor.ofBytes(dtype, dims, typedFieldBytes(proto, dtype, sizeOf(dims)));
}

function decodeExternal(
  proto: TensorProto,
  dtype: DType,
  dims: number[],
  external: ExternalResolver,
): Tensor {
  const entries = new Map(proto.externalData.map((entry) => [entry.key, entry.value]));
  const location = entries.get('location');
  if (location === undefined || dtype === 'string') {
    throw fail('MODEL_INVALID', `tensor "${proto.name}" is external but says not where, or holds strings`);
  }
  const length = byteLengthOf(dtype, sizeOf(dims));
  const offset = Number(entries.get('offset') ?? 0);
  const said = entries.get('length');
  if (!Number.isSafeInteger(offset) || offset < 0 || (said !== undefined && Number(said) !== length)) {
    throw fail(
      'MODEL_INVALID',
      `tensor "${proto.name}" (${dtype}[${dims}]) has offset ${offset} and length ${said}`,
    );
  }
  return Tensor.ofSource(dtype, dims, external(location, offset, length));
}

/** The elements of float_data, int32_data, ... as raw bytes. */
function typedFieldBytes(proto: TensorProto, dtype: DType, count: number): Uint8Array {
  const from = (array: { buffer: ArrayBufferLike; byteLength: number }) =>
    new Uint8Array(array.buffer, 0, array.byteLength);
  switch (dtype) {
    case 'float32':
    case 'complex64':
      return from(Float32Array.from(proto.floatData));
    case 'float64':
    case 'complex128':
      return from(Float64Array.from(proto.doubleData));
    case 'int64':
      return from(BigInt64Array.from(proto.int64Data));
    case 'uint64':
      return from(BigUint64Array.from(proto.uint64Data));
    case 'uint32':
      return from(Uint32Array.from(proto.uint64Data, Number));
    case 'int32':
      return from(Int32Array.from(proto.int32Data));
    case 'int16':
    case 'uint16':
    case 'float16':
    case 'bfloat16':
      return from(Uint16Array.from(proto.int32Data));
    default:
      return from(Uint8Array.from(proto.int32Data)).subarray(0, byteLengthOf(dtype, count));
  }
}

export function decodeSparse(proto: SparseTensorProto, external: ExternalResolver): SparseTensor {
  if (proto.values === undefined || proto.indices === undefined) {
    throw fail('MODEL_INVALID', 'a sparse tensor lacks its values or its indices');
  }
  return {
    dims: proto.dims.map((dim) => safe(dim, 'a dimension of a sparse tensor')),
    name: proto.values.name,
    values: decodeTensor(proto.values, external),
    indices: decodeTensor(proto.indices, external),
  };
}
