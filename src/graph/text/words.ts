import { DTYPES, type DType } from '../dtype.ts';

/** How ONNX's text syntax (onnx/docs/Syntax.md) calls a dtype: as we do, but for these two. */
export function dtypeWord(dtype: DType): string {
  if (dtype === 'float32') return 'float';
  return dtype === 'float64' ? 'double' : dtype;
}

const BY_WORD = new Map((Object.keys(DTYPES) as DType[]).map((dtype) => [dtypeWord(dtype), dtype]));

export function dtypeOfWord(word: string): DType | undefined {
  return BY_WORD.get(word);
}

/** Words that begin a type other than that of a dense tensor. */
export const TYPE_WORDS: ReadonlySet<string> = new Set(['seq', 'map', 'optional', 'sparse_tensor', 'opaque']);

export function startsType(word: string): boolean {
  return BY_WORD.has(word) || TYPE_WORDS.has(word);
}

/** Words that are numbers where a number may stand. */
export const NUMBER_WORD = /^(?:inf|infinity|nan)$/i;

/** Data of a tensor as hexadecimal digits, where numbers cannot tell its bits (a NaN with a payload); not of ONNX. */
export const RAW_WORD = 'raw';
/** A string attribute that is not UTF-8, as hexadecimal digits; not of ONNX. */
export const BYTES_WORD = 'bytes';

/** Quoted as a string literal: only the quote and the backslash are escaped, line breaks stand for themselves. */
export function quoted(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&')}"`;
}

/** A name as it is, or quoted where it is no identifier or could be taken for a type or a number. */
export function identifier(name: string): string {
  const plain = /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !startsType(name) && !NUMBER_WORD.test(name);
  return plain && name !== RAW_WORD && name !== BYTES_WORD ? name : quoted(name);
}

export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
