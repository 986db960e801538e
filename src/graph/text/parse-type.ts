import type { DType } from '../dtype.ts';
import type { Dim, Shape, ValueInfo, ValueType } from '../model.ts';
import type { Reader } from './reader.ts';
import { dtypeOfWord, startsType } from './words.ts';

/** True where a type is ahead, and not a name. */
export function typeAhead(reader: Reader): boolean {
  return reader.peek() === '?' || startsType(reader.peekWord());
}

/** A type, in the forms of `printType`. */
export function parseType(reader: Reader): ValueType {
  return reader.deeper(() => typeHere(reader));
}

function typeHere(reader: Reader): ValueType {
  if (reader.takes('?')) return { kind: 'unknown' };
  const at = reader.position;
  const word = reader.word('a type');
  const dtype = dtypeOfWord(word);
  if (dtype !== undefined) return { kind: 'tensor', dtype, shape: parseShape(reader) };
  switch (word) {
    case 'seq':
      return { kind: 'sequence', element: parseInner(reader) };
    case 'optional':
      return { kind: 'optional', element: parseInner(reader) };
    case 'sparse_tensor': {
      reader.expect('(');
      const element = parseDtype(reader);
      const shape = parseShape(reader);
      reader.expect(')');
      return { kind: 'sparse', dtype: element, shape };
    }
    case 'map': {
      reader.expect('(');
      const key = parseDtype(reader);
      reader.expect(',');
      const value = reader.peek() === ')' ? undefined : parseType(reader);
      reader.expect(')');
      return { kind: 'map', key, value };
    }
    case 'opaque':
      return parseOpaque(reader);
    default:
      throw reader.error(`"${word}" is no type`, at);
  }
}

function parseInner(reader: Reader): ValueType | undefined {
  reader.expect('(');
  const type = reader.peek() === ')' ? undefined : parseType(reader);
  reader.expect(')');
  return type;
}

function parseDtype(reader: Reader): DType {
  const at = reader.position;
  const word = reader.word('an element type');
  const dtype = dtypeOfWord(word);
  if (dtype === undefined) throw reader.error(`"${word}" is no element type`, at);
  return dtype;
}

function parseOpaque(reader: Reader): ValueType {
  reader.expect('(');
  if (reader.takes(')')) return { kind: 'opaque', domain: '', name: '' };
  const first = parseQualified(reader).join('.');
  const second = reader.takes(',') ? reader.name('a name') : undefined;
  reader.expect(')');
  return second === undefined
    ? { kind: 'opaque', domain: '', name: first }
    : { kind: 'opaque', domain: first, name: second };
}

/** The parts of a name with dots. */
export function parseQualified(reader: Reader): string[] {
  const parts = [reader.name('a name')];
  while (reader.takes('.')) parts.push(reader.name('a name'));
  return parts;
}

/** No brackets: a scalar. Empty ones: of unknown rank. */
function parseShape(reader: Reader): Shape {
  if (!reader.takes('[')) return [];
  if (reader.takes(']')) return undefined;
  const dims = reader.commas(() => parseDim(reader));
  reader.expect(']');
  return dims;
}

function parseDim(reader: Reader): Dim {
  if (reader.takes('?')) return null;
  if (reader.nameAhead) return reader.name('a dimension');
  return reader.integer('a dimension: a whole number, a name or ?');
}

/** `type? name`. */
export function parseValueInfo(reader: Reader): ValueInfo {
  const type: ValueType = typeAhead(reader) ? parseType(reader) : { kind: 'unknown' };
  return { name: reader.name('a name'), type };
}
