import { ModicumError, messageOf } from '../../base/index.ts';
import { byteLengthOf, sizeOf } from '../dtype.ts';
import type { SparseTensor, ValueType } from '../model.ts';
import { Tensor } from '../tensor.ts';
import type { ExternalResolver } from '../wire/decode-tensor.ts';
import { elementKind, tensorOfLiterals } from './elements.ts';
import { parseType } from './parse-type.ts';
import type { Reader } from './reader.ts';
import { RAW_WORD } from './words.ts';

/** The data of a tensor whose type has been read: `{1, 2}`, `["location": "file", ...]` or `raw "..."`. */
export function parseData(reader: Reader, type: ValueType, external: ExternalResolver): Tensor {
  const at = reader.position;
  if (type.kind !== 'tensor' || type.shape === undefined)
    throw reader.error('data needs a tensor type with a shape', at);
  const dims = type.shape.map((dim) => {
    if (typeof dim !== 'number' || dim < 0)
      throw reader.error(`data needs whole dimensions, not [${type.shape}]`, at);
    return dim;
  });
  const { dtype } = type;
  if (reader.takes('...')) throw reader.error('the elements were left out when this was printed', at);
  if (reader.peek() === '[') return parseExternal(reader, type.dtype, dims, external);
  if (reader.takesWord(RAW_WORD)) return checked(reader, at, () => Tensor.ofBytes(dtype, dims, reader.hex()));
  const wanted = elementKind(dtype);
  const literals = reader.enclosed(
    '{',
    () => {
      const from = reader.position;
      const { kind, text } = reader.literal();
      const fits =
        wanted === 'float' ? kind !== 'string' : wanted === 'integer' ? kind === 'int' : kind === 'string';
      if (!fits) throw reader.error(`a ${dtype} tensor takes no ${kind} here`, from);
      return text;
    },
    '}',
  );
  const tensor = tensorOfLiterals(dtype, dims, literals);
  if (typeof tensor === 'string') throw reader.error(tensor, at);
  return tensor;
}

function checked<T>(reader: Reader, at: number, make: () => T): T {
  try {
    return make();
  } catch (cause) {
    if (cause instanceof ModicumError && cause.code !== 'MODEL_INVALID') throw cause;
    throw reader.error(messageOf(cause), at);
  }
}

function parseExternal(
  reader: Reader,
  dtype: Tensor['dtype'],
  dims: readonly number[],
  external: ExternalResolver,
): Tensor {
  const at = reader.position;
  const entries = new Map(reader.enclosed('[', () => parseEntry(reader), ']'));
  const location = entries.get('location');
  const offset = Number(entries.get('offset') ?? 0);
  const length = byteLengthOf(dtype, sizeOf(dims));
  const said = entries.get('length');
  const sane = Number.isSafeInteger(offset) && offset >= 0 && (said === undefined || Number(said) === length);
  if (location === undefined || dtype === 'string' || !sane)
    throw reader.error('external data needs a location, and an offset and a length that fit', at);
  return Tensor.ofSource(dtype, dims, external(location, offset, length));
}

/** `"key": "value"`. */
export function parseEntry(reader: Reader): [string, string] {
  const key = reader.string();
  reader.expect(':');
  return [key, reader.string()];
}

/** `float[4] {1, ...}`: a tensor with its type, a name that nobody keeps, and an optional `=`. */
export function parseTensor(reader: Reader, external: ExternalResolver): Tensor {
  return parseNamedData(reader, parseType(reader), external);
}

export function parseNamedData(reader: Reader, type: ValueType, external: ExternalResolver): Tensor {
  if (reader.nameAhead && reader.peekWord() !== RAW_WORD) reader.name('a name');
  reader.takes('=');
  return parseData(reader, type, external);
}

/** What follows `sparse_tensor(float[9]) name =`: the values and their indices, a tensor each. */
export function parseSparse(
  reader: Reader,
  type: ValueType & { kind: 'tensor' | 'sparse' },
  name: string,
  external: ExternalResolver,
): SparseTensor {
  const at = reader.position;
  const dims = type.shape?.map(Number);
  if (dims === undefined || dims.some((dim) => !Number.isSafeInteger(dim) || dim < 0))
    throw reader.error('a sparse tensor needs whole dimensions', at);
  return { dims, name, values: parseTensor(reader, external), indices: parseTensor(reader, external) };
}
