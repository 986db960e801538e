import { fail } from '../base/index.ts';
import { DTYPES, type DType, Tensor } from '../graph/index.ts';

/** Open Inference Protocol v2 names of the dtypes that its REST form carries as numbers. */
const NAMES: readonly (readonly [string, DType])[] = [
  ['BOOL', 'bool'],
  ['UINT8', 'uint8'],
  ['UINT16', 'uint16'],
  ['UINT32', 'uint32'],
  ['UINT64', 'uint64'],
  ['INT8', 'int8'],
  ['INT16', 'int16'],
  ['INT32', 'int32'],
  ['INT64', 'int64'],
  ['FP32', 'float32'],
  ['FP64', 'float64'],
  ['BYTES', 'string'],
];

/** Throws REMOTE_FAILED for a datatype that has no dtype here. */
export function dtypeOfProtocol(name: string): DType {
  const found = NAMES.find(([theirs]) => theirs === name)?.[1];
  if (found !== undefined) return found;
  throw fail('REMOTE_FAILED', `datatype ${name} is not carried`);
}

/** Throws REMOTE_FAILED for a dtype that the protocol does not carry as numbers. */
export function protocolName(dtype: DType): string {
  const found = NAMES.find(([, ours]) => ours === dtype)?.[0];
  if (found !== undefined) return found;
  throw fail('REMOTE_FAILED', `${dtype} is not carried by the protocol's JSON`);
}

/** A tensor as the protocol's JSON has it. */
export interface JsonTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data: readonly unknown[];
}

/** 64-bit integers must be safe as numbers: JSON has no others. */
export function toJson(name: string, tensor: Tensor): JsonTensor {
  const data: readonly unknown[] =
    tensor.dtype === 'string'
      ? tensor.strings()
      : tensor.dtype === 'bool'
        ? tensor.numbers().map((value) => value !== 0)
        : tensor.numbers();
  return { name, datatype: protocolName(tensor.dtype), shape: tensor.dims, data };
}

/** Nested lists are flattened, as the protocol allows both. Throws REMOTE_FAILED. */
export function fromJson({ name, datatype, shape, data }: JsonTensor): Tensor {
  const dtype = dtypeOfProtocol(datatype);
  const flat = data.flat(Number.POSITIVE_INFINITY);
  const size = shape.reduce((product, dim) => product * dim, 1);
  if (flat.length !== size) {
    throw fail('REMOTE_FAILED', `output ${name} is [${shape}] and came with ${flat.length} elements`);
  }
  if (dtype === 'string') return Tensor.ofStrings(shape, flat.map(String));
  const { array, bits } = DTYPES[dtype];
  const values = new array(new ArrayBuffer((size * bits) / 8), 0, size);
  for (const [i, value] of flat.entries()) {
    // Whatever JSON cannot say (NaN, infinities) comes as null from most servers.
    values[i] =
      bits === 64 && dtype !== 'float64'
        ? BigInt(Number(value))
        : value === null
          ? Number.NaN
          : Number(value);
  }
  return Tensor.of(dtype as 'float32', shape, values);
}
