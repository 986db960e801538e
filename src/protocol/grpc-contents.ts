import { create } from '@bufbuild/protobuf';
import { fail } from '../base/index.ts';
import { DTYPES, type DType, sizeOf, Tensor, type TypedArray } from '../graph/index.ts';
import type { Blame } from './blame.ts';
import { decodeText, encodeText } from './byte-strings.ts';
import { datatypeOf, isRawOnly } from './datatypes.ts';
import { type InferTensorContents, InferTensorContentsSchema } from './wire/open_inference_grpc_pb.ts';

type Field = Exclude<keyof InferTensorContents, '$typeName' | '$unknown'>;

/** Which field of the typed contents holds the elements of a dtype; 16-bit floats have none. */
const FIELDS: Partial<Record<DType, Field>> = {
  bool: 'boolContents',
  int8: 'intContents',
  int16: 'intContents',
  int32: 'intContents',
  int64: 'int64Contents',
  uint8: 'uintContents',
  uint16: 'uintContents',
  uint32: 'uintContents',
  uint64: 'uint64Contents',
  float32: 'fp32Contents',
  float64: 'fp64Contents',
  string: 'bytesContents',
};

function fieldOf(dtype: DType, where: string, blame: Blame): Field {
  const field = FIELDS[dtype];
  if (field !== undefined && !isRawOnly(dtype)) return field;
  throw fail(blame, `${where} is ${datatypeOf(dtype) ?? dtype}, which only raw contents carry`);
}

/** A tensor from typed contents. Throws `blame`: the wrong field, too few or many elements, or one out of the range of its type. */
export function tensorOfContents(
  dtype: DType,
  shape: readonly number[],
  contents: InferTensorContents | undefined,
  where: string,
  blame: Blame,
): Tensor {
  const field = fieldOf(dtype, where, blame);
  const given = contents ?? create(InferTensorContentsSchema);
  const other = Object.values(FIELDS).find((one) => one !== field && given[one].length > 0);
  if (other !== undefined) {
    throw fail(
      blame,
      `${where} is ${datatypeOf(dtype)}, and its contents are in ${protoName(other)}, not ${protoName(field)}`,
    );
  }
  const elements = given[field];
  const size = sizeOf(shape);
  if (elements.length !== size) {
    throw fail(
      blame,
      `${where} is [${shape.join(', ')}], ${size} elements, and ${protoName(field)} has ${elements.length}`,
    );
  }
  if (dtype === 'string') {
    const strings = (elements as Uint8Array[]).map((bytes, i) =>
      decodeText(bytes, `${where}: element ${i}`, blame),
    );
    return Tensor.ofStrings(shape, strings);
  }
  const { array, bits } = DTYPES[dtype];
  const values = new array(new ArrayBuffer((size * bits) / 8), 0, size) as TypedArray;
  const floats = dtype === 'float32' || dtype === 'float64';
  for (let i = 0; i < size; i++) {
    const value = elements[i] as number | bigint | boolean;
    values[i] = typeof value === 'boolean' ? Number(value) : (value as never);
    if (!floats && typeof value !== 'boolean' && values[i] !== value) {
      throw fail(blame, `${where}: element ${i} is ${value}, no ${datatypeOf(dtype)}`);
    }
  }
  return Tensor.of(dtype, shape, values);
}

/** The other way. Throws `blame` for FP16 and BF16. */
export function contentsOf(name: string, tensor: Tensor, blame: Blame): InferTensorContents {
  const field = fieldOf(tensor.dtype, name, blame);
  const elements =
    tensor.dtype === 'string'
      ? tensor.strings().map(encodeText)
      : tensor.dtype === 'bool'
        ? Array.from(tensor.data() as Uint8Array, (value) => value !== 0)
        : Array.from<number | bigint>(tensor.data() as ArrayLike<number | bigint>);
  return create(InferTensorContentsSchema, { [field]: elements });
}

const protoName = (field: Field): string => field.replace('Contents', '_contents');
