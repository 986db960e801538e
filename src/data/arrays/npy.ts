import { fail } from '../../base/index.ts';
import { DTYPES, type DType, sizeOf } from '../../graph/index.ts';

/** What the header of a .npy file says (numpy.lib.format, versions 1 to 3). */
export interface NpyHeader {
  /** Bytes before the elements. */
  readonly offset: number;
  readonly dims: readonly number[];
  /** Column-major. Told only where it matters, that is with two or more dimensions above 1. */
  readonly fortran: boolean;
  readonly bigEndian: boolean;
  /** Bytes of one element. */
  readonly itemSize: number;
  /** The dtype, or 'text' for numpy's fixed-width unicode and byte strings. */
  readonly dtype: DType | 'text';
  /** As the file has it, '<f4' say. */
  readonly descr: string;
}

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
/** Enough for any header that numpy reads itself. */
export const HEADER_MOST = 65536;

const KINDS: Readonly<Record<string, DType>> = {
  f2: 'float16',
  f4: 'float32',
  f8: 'float64',
  i1: 'int8',
  i2: 'int16',
  i4: 'int32',
  i8: 'int64',
  u1: 'uint8',
  u2: 'uint16',
  u4: 'uint32',
  u8: 'uint64',
  b1: 'bool',
};

/** Reads the header at the start of `bytes` (HEADER_MOST bytes, or all there are). Throws DATA_DAMAGED, DATA_DTYPE_MISMATCH. */
export function parseNpyHeader(bytes: Uint8Array, name: string): NpyHeader {
  const damaged = (why: string) => fail('DATA_DAMAGED', `${name}: ${why}`, { name });
  if (bytes.length < 10 || MAGIC.some((byte, i) => bytes[i] !== byte)) throw damaged('not a numpy array');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = bytes[6]!;
  if (version < 1 || version > 3) throw damaged(`version ${version} of the format is not known`);
  const start = version === 1 ? 10 : 12;
  if (bytes.length < start) throw damaged('ends within its header');
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (start + length > bytes.length) throw damaged('ends within its header');
  const text = new TextDecoder('latin1').decode(bytes.subarray(start, start + length));
  const descr = /'descr'\s*:\s*'([^']*)'/.exec(text)?.[1];
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(text)?.[1];
  const shape = /'shape'\s*:\s*\(([0-9,\sL]*)\)/.exec(text)?.[1];
  if (order === undefined || shape === undefined) throw damaged('its header is not that of a numpy array');
  if (descr === undefined) {
    throw fail('DATA_DTYPE_MISMATCH', `${name} is a structured array`, { name, hint: 'Save plain arrays.' });
  }
  const dims = [...shape.matchAll(/\d+/g)].map(([digits]) => Number(digits));
  if (!Number.isSafeInteger(sizeOf(dims))) throw damaged(`its shape [${dims}] is not possible`);
  const fortran = order === 'True' && dims.filter((dim) => dim > 1).length > 1;
  return { offset: start + length, dims, fortran, ...elementOf(descr, name) };
}

function elementOf(
  descr: string,
  name: string,
): Pick<NpyHeader, 'bigEndian' | 'itemSize' | 'dtype' | 'descr'> {
  const [, endian, kind, digits] = /^([<>|=])?([a-zA-Z])(\d*)$/.exec(descr) ?? [];
  const width = Number(digits);
  const bigEndian = endian === '>';
  if (kind === 'U' || kind === 'S') {
    return { bigEndian, itemSize: kind === 'U' ? 4 * width : width, dtype: 'text', descr };
  }
  const dtype = KINDS[`${kind}${digits}`];
  if (dtype === undefined) {
    const why = `${name} has elements of numpy dtype '${descr}'`;
    throw fail('DATA_DTYPE_MISMATCH', why, {
      name,
      hint: `Save it as one of ${Object.keys(KINDS).join(', ')}.`,
    });
  }
  return { bigEndian, itemSize: DTYPES[dtype].bits / 8, dtype, descr };
}

/** The header that numpy writes for a C-order array, padded to 64 bytes. Throws DATA_DTYPE_MISMATCH. */
export function npyHeader(dtype: DType, dims: readonly number[]): Uint8Array {
  const kind = Object.keys(KINDS).find((key) => KINDS[key] === dtype);
  if (kind === undefined) throw fail('DATA_DTYPE_MISMATCH', `numpy has no dtype ${dtype}`);
  const endian = DTYPES[dtype].bits === 8 ? '|' : '<';
  const shape = dims.length === 1 ? `${dims[0]},` : dims.join(', ');
  const dict = `{'descr': '${endian}${kind}', 'fortran_order': False, 'shape': (${shape}), }`;
  const padding = 64 - ((10 + dict.length + 1) % 64);
  const text = `${dict}${' '.repeat(padding % 64)}\n`;
  const bytes = new Uint8Array(10 + text.length);
  bytes.set([...MAGIC, 1, 0, text.length & 0xff, text.length >> 8]);
  bytes.set(new TextEncoder().encode(text), 10);
  return bytes;
}

/** Turns big-endian elements into little-endian ones, in place. */
export function swapBytes(bytes: Uint8Array, itemSize: number): Uint8Array {
  if (itemSize > 1)
    for (let at = 0; at < bytes.length; at += itemSize) bytes.subarray(at, at + itemSize).reverse();
  return bytes;
}

/** Column-major elements in row-major order. */
export function fromFortran(bytes: Uint8Array, dims: readonly number[], itemSize: number): Uint8Array {
  const result = new Uint8Array(bytes.length);
  const strides: number[] = [];
  let stride = itemSize;
  for (const dim of dims) {
    strides.push(stride);
    stride *= dim;
  }
  const place = dims.map(() => 0);
  for (let to = 0, from = 0; to < bytes.length; to += itemSize) {
    for (let b = 0; b < itemSize; b++) result[to + b] = bytes[from + b]!;
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      place[axis]!++;
      from += strides[axis]!;
      if (place[axis]! < dims[axis]!) break;
      from -= strides[axis]! * dims[axis]!;
      place[axis] = 0;
    }
  }
  return result;
}

/** Fixed-width strings as JavaScript's, padding removed. */
export function textsOf(bytes: Uint8Array, header: NpyHeader): string[] {
  const { itemSize, bigEndian, descr } = header;
  const texts: string[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const wide = descr.includes('U');
  for (let start = 0; start + itemSize <= bytes.length && itemSize > 0; start += itemSize) {
    let text = '';
    for (let at = start; at < start + itemSize; at += wide ? 4 : 1) {
      const code = wide ? view.getUint32(at, !bigEndian) : bytes[at]!;
      text += code > 0x10ffff ? '\ufffd' : String.fromCodePoint(code);
    }
    texts.push(text.replace(/\0+$/, ''));
  }
  return texts;
}
