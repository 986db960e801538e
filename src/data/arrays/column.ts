import { fail, throwIfAborted } from '../../base/index.ts';
import { type DType, sizeOf, Tensor } from '../../graph/index.ts';
import { allOf, type ByteFile, headOf, rowsOf } from './byte-file.ts';
import { fromFortran, HEADER_MOST, type NpyHeader, parseNpyHeader, swapBytes, textsOf } from './npy.ts';

/** One array of a file whose first axis is the samples. */
export interface Column {
  readonly name: string;
  readonly dtype: DType;
  /** Of one sample. */
  readonly dims: readonly number[];
  /** Samples; undefined for an array without axes, which is the same for every sample. */
  readonly size: number | undefined;
  /** The bytes of the samples asked for, ascending. Views that hold until the next is asked for. */
  rows(indices: Iterable<number>, signal?: AbortSignal): AsyncIterable<Uint8Array>;
}

/** Arrays in column-major order have to be read whole; larger ones are refused. */
const FORTRAN_MOST = 256 * 2 ** 20;
/** Strings have to be read whole as well. */
const TEXT_MOST = 256 * 2 ** 20;
/** Bytes read at once where samples are smaller. */
const BLOCK = 2 ** 18;

/** The array in a .npy file or entry. Throws DATA_DAMAGED, DATA_DTYPE_MISMATCH. */
export async function npyColumn(file: ByteFile, name: string): Promise<Column | readonly string[]> {
  const header = parseNpyHeader(await headOf(file, HEADER_MOST), file.name);
  const expected = header.offset + sizeOf(header.dims) * header.itemSize;
  if (file.byteLength !== expected) {
    const why = `${file.name}: ${header.descr}[${header.dims}] takes ${expected} bytes, there are ${file.byteLength}`;
    throw fail('DATA_DAMAGED', why, { name: file.name });
  }
  if (header.dtype === 'text') return texts(file, header);
  if (header.fortran) return fortranColumn(file, name, header, header.dtype);
  const { dtype, itemSize, bigEndian, offset } = header;
  return column(file, { name, dtype, dims: header.dims, offset, swap: bigEndian ? itemSize : 0 });
}

/** Where an array lies in a file: C order, the first axis the samples. */
export interface Layout {
  readonly name: string;
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly offset: number;
  /** Bytes per element to be swapped; 0: little endian already. */
  readonly swap: number;
}

/** The samples of an array in a file, by the cheapest way of reading them. */
export function column(file: ByteFile, layout: Layout): Column {
  const { name, dtype, dims, offset, swap } = layout;
  const [size, ...inner] = dims;
  if (inner.includes(0))
    throw fail('DATA_SHAPE_MISMATCH', `${file.name} is [${dims}]: its samples are empty`);
  const width = (file.byteLength - offset) / (size === undefined || size === 0 ? 1 : size);
  const shape = { name, dtype, dims: inner, size };
  if (size === undefined) return { ...shape, rows: (indices) => constant(file, offset, swap, indices) };
  const raw = (indices: Iterable<number>, signal?: AbortSignal) =>
    file.openRandom
      ? picked(file, offset, width, size, indices, signal)
      : skimmed(file, offset, width, indices, signal);
  if (swap <= 1) return { ...shape, rows: raw };
  return { ...shape, rows: (indices, signal) => swapped(raw(indices, signal), swap) };
}

async function* constant(
  file: ByteFile,
  offset: number,
  swap: number,
  indices: Iterable<number>,
): AsyncGenerator<Uint8Array> {
  const value = swapBytes((await allOf(file)).slice(offset), swap);
  for (const _ of indices) yield value;
}

async function* swapped(rows: AsyncIterable<Uint8Array>, itemSize: number): AsyncGenerator<Uint8Array> {
  for await (const row of rows) yield swapBytes(row.slice(), itemSize);
}

/** Reads blocks of samples where they lie. */
async function* picked(
  file: ByteFile,
  offset: number,
  width: number,
  size: number,
  indices: Iterable<number>,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const reader = await file.openRandom!();
  const perBlock = Math.max(1, Math.floor(BLOCK / Math.max(1, width)));
  let block = new Uint8Array(0);
  let first = 0;
  try {
    for (const index of indices) {
      const end = first + block.length / Math.max(1, width);
      if (width > 0 && (index < first || index >= end)) {
        throwIfAborted(signal);
        first = index;
        block = new Uint8Array(Math.min(perBlock, size - index) * width);
        await reader.read(block, offset + first * width);
      }
      yield block.subarray((index - first) * width, (index - first + 1) * width);
    }
  } finally {
    await reader.close();
  }
}

/** Reads from the start and lets the samples that are not asked for pass by. */
async function* skimmed(
  file: ByteFile,
  offset: number,
  width: number,
  indices: Iterable<number>,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const wanted = indices[Symbol.iterator]();
  let next = wanted.next();
  let at = 0;
  for await (const row of rowsOf(file.stream(offset, signal), width)) {
    if (!next.done && at === next.value) {
      yield row;
      next = wanted.next();
    }
    at++;
    // Only a reader that came to the last sample waits for the end, where the checksum is known.
    if (next.done && at * width + offset < file.byteLength) return;
  }
}

async function fortranColumn(file: ByteFile, name: string, header: NpyHeader, dtype: DType): Promise<Column> {
  const { dims, itemSize, offset, bigEndian } = header;
  if (file.byteLength > FORTRAN_MOST) {
    const hint = 'Save numpy.ascontiguousarray(array) instead.';
    const why = `${file.name} has ${file.byteLength} bytes in column-major (Fortran) order`;
    throw fail('DATA_FORMAT_UNKNOWN', why, { name: file.name, hint });
  }
  const [size = 0, ...inner] = dims;
  const width = (file.byteLength - offset) / Math.max(1, size);
  let cached: WeakRef<Uint8Array> | undefined;
  return {
    name,
    dtype,
    dims: inner,
    size,
    async *rows(indices) {
      let bytes = cached?.deref();
      if (bytes === undefined) {
        const whole = (await allOf(file)).subarray(offset);
        bytes = fromFortran(bigEndian ? swapBytes(whole, itemSize) : whole, dims, itemSize);
        cached = new WeakRef(bytes);
      }
      for (const index of indices) yield bytes.subarray(index * width, (index + 1) * width);
    },
  };
}

async function texts(file: ByteFile, header: NpyHeader): Promise<readonly string[]> {
  if (file.byteLength > TEXT_MOST) {
    throw fail('DATA_FORMAT_UNKNOWN', `${file.name} has ${file.byteLength} bytes of text`, {
      name: file.name,
    });
  }
  return textsOf((await allOf(file)).subarray(header.offset), header);
}

/** All elements of a small column, as one tensor. */
export async function wholeColumn({ dtype, dims, size = 1, rows }: Column): Promise<Tensor> {
  const parts: Uint8Array[] = [];
  for await (const row of rows(Array(size).keys())) parts.push(row.slice());
  return Tensor.ofBytes(dtype, [size, ...dims], new Uint8Array(Buffer.concat(parts)));
}
