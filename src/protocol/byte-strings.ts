import { fail, messageOf } from '../base/index.ts';
import type { Blame } from './blame.ts';

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** BYTES elements in raw form: each its length as uint32, little-endian, and its bytes. */
export function encodeByteStrings(strings: readonly string[]): Uint8Array {
  const encoded = strings.map((one) => ENCODER.encode(one));
  const bytes = new Uint8Array(encoded.reduce((sum, one) => sum + 4 + one.byteLength, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const one of encoded) {
    view.setUint32(at, one.byteLength, true);
    bytes.set(one, at + 4);
    at += 4 + one.byteLength;
  }
  return bytes;
}

/** The other way: exactly `count` elements, which must be UTF-8, since that is what models read. Throws `blame`. */
export function decodeByteStrings(bytes: Uint8Array, count: number, where: string, blame: Blame): string[] {
  // Before anything is reserved for them: each takes four bytes at least.
  if (count * 4 > bytes.byteLength) {
    throw fail(blame, `${where} has ${count} BYTES elements and only ${bytes.byteLength} bytes`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const strings: string[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + 4 > bytes.byteLength) throw fail(blame, `${where}: the bytes end before element ${i}`);
    const length = view.getUint32(at, true);
    at += 4;
    if (length > bytes.byteLength - at) {
      throw fail(blame, `${where}: element ${i} says ${length} bytes and ${bytes.byteLength - at} are left`);
    }
    strings.push(decodeText(bytes.subarray(at, at + length), `${where}: element ${i}`, blame));
    at += length;
  }
  if (at !== bytes.byteLength) {
    throw fail(blame, `${where}: ${bytes.byteLength - at} bytes are left behind its last element`);
  }
  return strings;
}

/** One element without its length. Throws `blame`. */
export function decodeText(bytes: Uint8Array, where: string, blame: Blame): string {
  try {
    return DECODER.decode(bytes);
  } catch (cause) {
    throw fail(blame, `${where} is not UTF-8 (${messageOf(cause)})`, {}, cause);
  }
}

export function encodeText(text: string): Uint8Array {
  return ENCODER.encode(text);
}
