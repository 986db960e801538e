import { fail } from '../base/index.ts';
import type { DType } from '../graph/index.ts';
import type { Blame } from './blame.ts';

/** Names that the Open Inference Protocol v2 gives to the dtypes that it carries. */
export const DATATYPES = {
  BOOL: 'bool',
  UINT8: 'uint8',
  UINT16: 'uint16',
  UINT32: 'uint32',
  UINT64: 'uint64',
  INT8: 'int8',
  INT16: 'int16',
  INT32: 'int32',
  INT64: 'int64',
  FP16: 'float16',
  FP32: 'float32',
  FP64: 'float64',
  BYTES: 'string',
  BF16: 'bfloat16',
} as const satisfies Record<string, DType>;

export type Datatype = keyof typeof DATATYPES;

const BY_DTYPE = new Map<DType, Datatype>(
  Object.entries(DATATYPES).map(([name, dtype]) => [dtype, name as Datatype]),
);

/** The protocol's name of a dtype; undefined for those that it does not carry (float8, 4-bit, complex). */
export function datatypeOf(dtype: DType): Datatype | undefined {
  return BY_DTYPE.get(dtype);
}

/** The dtype behind a name of the protocol. `where` names the tensor in the message. Throws `blame`. */
export function dtypeOf(datatype: unknown, where: string, blame: Blame): DType {
  if (typeof datatype === 'string' && Object.hasOwn(DATATYPES, datatype)) {
    return DATATYPES[datatype as Datatype];
  }
  const known = Object.keys(DATATYPES).join(', ');
  throw fail(blame, `${where} has datatype ${shown(datatype)}; there are ${known}`);
}

/** Types that neither JSON nor typed gRPC contents can carry: the specification has them in raw bytes only. */
export function isRawOnly(dtype: DType): boolean {
  return dtype === 'float16' || dtype === 'bfloat16';
}

/** Anything from a message, short enough to stand in an error. Lists and objects are not looked into: they may be deep. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = typeof value === 'string' ? JSON.stringify(value.slice(0, 60)) : String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
