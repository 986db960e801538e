import { crc32, deflateRawSync } from 'node:zlib';
import { fail } from '../../base/index.ts';
import { type Appender, writeAtomically } from '../../files/index.ts';
import { byteLengthOf, type DType, sizeOf, Tensor } from '../../graph/index.ts';
import { npyHeader } from './npy.ts';

/** An array that is made while it is written, so that it need not fit into memory. */
export interface StreamedArray {
  readonly dtype: DType;
  readonly dims: readonly number[];
  /** Little-endian bytes in C order, in pieces of any size. */
  pieces(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

export interface WriteNpzOptions {
  /** Deflates the arrays that are tensors. Default false: stored, so that samples can be read where they lie. */
  readonly compress?: boolean;
}

interface Written {
  readonly name: Uint8Array;
  readonly method: number;
  readonly crc: number;
  readonly compressed: number;
  readonly size: number;
  readonly offset: number;
}

/** The plain zip format counts to here; numpy reads Zip64 as well, but nobody needs such a file from here. */
const ZIP_MOST = 2 ** 32 - 1;
/** Sizes and checksum follow the data (bit 3); names are UTF-8 (bit 11). */
const FLAGS = 0x0808;
/** 1980-01-01, so that the same arrays give the same file. */
const DATE = 0x21;

/**
 * Writes arrays as an archive that numpy.load reads, whole or not at all; the same arrays give the same bytes. Throws
 * FILE_NOT_WRITTEN, DATA_DTYPE_MISMATCH, DATA_SHAPE_MISMATCH.
 */
export async function writeNpz(
  path: string,
  arrays: Readonly<Record<string, Tensor | StreamedArray>>,
  options: WriteNpzOptions = {},
): Promise<void> {
  await writeAtomically(path, async (file) => {
    const written: Written[] = [];
    for (const [name, array] of Object.entries(arrays)) {
      written.push(await writeEntry(file, `${name}.npy`, array, options.compress === true));
    }
    const start = file.length;
    for (const entry of written) await file.append(centralHeader(entry));
    await file.append(endRecord(written.length, start, file.length - start));
  });
}

async function writeEntry(
  file: Appender,
  entryName: string,
  array: Tensor | StreamedArray,
  compress: boolean,
): Promise<Written> {
  const name = new TextEncoder().encode(entryName);
  const header = npyHeader(array.dtype, array.dims);
  const size = header.length + byteLengthOf(array.dtype, sizeOf(array.dims));
  const offset = file.length;
  if (offset + size > ZIP_MOST - 2 ** 20) {
    throw fail('FILE_NOT_WRITTEN', `${entryName} would end beyond 4 GiB`, {
      hint: 'Write several archives.',
    });
  }
  const deflates = compress && array instanceof Tensor;
  await file.append(localHeader(name, deflates ? 8 : 0));
  const start = file.length;
  let crc = crc32(header);
  if (deflates) {
    const bytes = Buffer.concat([header, array.bytes()]);
    crc = crc32(bytes);
    await file.append(deflateRawSync(bytes));
  } else {
    await file.append(header);
    for await (const piece of array instanceof Tensor ? [array.bytes()] : array.pieces()) {
      crc = crc32(piece, crc);
      await file.append(piece);
    }
    const wrote = file.length - start;
    if (wrote !== size) {
      throw fail('DATA_SHAPE_MISMATCH', `${entryName} takes ${size} bytes, ${wrote} were given`);
    }
  }
  const entry = { name, method: deflates ? 8 : 0, crc, compressed: file.length - start, size, offset };
  await file.append(fields([4, 0x08074b50], [4, crc], [4, entry.compressed], [4, size]));
  return entry;
}

/** Little-endian fields: [bytes, value]. */
function fields(...list: readonly (readonly [2 | 4, number])[]): Uint8Array {
  const bytes = new Uint8Array(list.reduce((sum, [width]) => sum + width, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [width, value] of list) {
    if (width === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += width;
  }
  return bytes;
}

function localHeader(name: Uint8Array, method: number): Uint8Array {
  const head = fields(
    [4, 0x04034b50],
    [2, 20],
    [2, FLAGS],
    [2, method],
    [2, 0],
    [2, DATE],
    [4, 0],
    [4, 0],
    [4, 0],
    [2, name.length],
    [2, 0],
  );
  return Buffer.concat([head, name]);
}

function centralHeader({ name, method, crc, compressed, size, offset }: Written): Uint8Array {
  const head = fields(
    [4, 0x02014b50],
    [2, 20],
    [2, 20],
    [2, FLAGS],
    [2, method],
    [2, 0],
    [2, DATE],
    [4, crc],
    [4, compressed],
    [4, size],
    [2, name.length],
    [2, 0],
    [2, 0],
    [2, 0],
    [2, 0],
    [4, 0],
    [4, offset],
  );
  return Buffer.concat([head, name]);
}

function endRecord(count: number, start: number, length: number): Uint8Array {
  return fields([4, 0x06054b50], [2, 0], [2, 0], [2, count], [2, count], [4, length], [4, start], [2, 0]);
}
