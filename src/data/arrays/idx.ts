import { createReadStream } from 'node:fs';
import { access } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { createGunzip } from 'node:zlib';
import { fail } from '../../base/index.ts';
import { DTYPES, type DType, sizeOf } from '../../graph/index.ts';
import type { Dataset } from '../dataset.ts';
import type { FullOptions } from '../options.ts';
import { type ByteFile, damagedBy, fileSize, headOf, wholeFile } from './byte-file.ts';
import { type Column, column } from './column.ts';
import { datasetOfColumns } from './dataset-of-columns.ts';

/** The third byte of an IDX file (LeCun's MNIST page). Big endian throughout. */
const TYPES: Readonly<Record<number, DType>> = {
  8: 'uint8',
  9: 'int8',
  11: 'int16',
  12: 'int32',
  13: 'float32',
  14: 'float64',
};

const HEADER_MOST = 4 + 4 * 255;

/**
 * An IDX file (train-images-idx3-ubyte, say), gzipped or not. Its labels lie in the file of the same name with
 * labels-idx1 instead of images-idx3, where that is there, or in `labels.file`.
 */
export async function openIdx(path: string, options: FullOptions): Promise<Dataset> {
  const field = await idxColumn(path, options.field);
  const labelPath = options.labels.none ? undefined : await labelFile(path, options.labels.file);
  const labels = labelPath === undefined ? undefined : await idxColumn(labelPath, 'labels');
  return datasetOfColumns({ name: basename(path), fields: [field], labels, classes: options.labels.classes });
}

async function labelFile(path: string, given: string | undefined): Promise<string | undefined> {
  if (given !== undefined) return join(dirname(path), given);
  const guess = basename(path).replace('images', 'labels').replace(/idx\d/, 'idx1');
  const beside = join(dirname(path), guess);
  if (guess === basename(path)) return undefined;
  return access(beside).then(
    () => beside,
    () => undefined,
  );
}

async function idxColumn(path: string, name: string): Promise<Column> {
  const label = basename(path);
  const file = path.endsWith('.gz') ? await gunzipped(path, label) : await wholeFile(path, label);
  const head = await headOf(file, Math.min(HEADER_MOST, file.byteLength));
  const { dtype, dims, offset } = parseIdxHeader(head, label);
  if (file.byteLength !== offset + byteLength(dtype, dims)) {
    const why = `${label}: ${dtype}[${dims}] takes ${offset + byteLength(dtype, dims)} bytes, there are ${file.byteLength}`;
    throw fail('DATA_DAMAGED', why, { name: label });
  }
  return column(file, { name, dtype, dims, offset, swap: DTYPES[dtype].bits / 8 });
}

/** Reads the head of an IDX file. Throws DATA_DAMAGED. */
export function parseIdxHeader(
  head: Uint8Array,
  name: string,
): { dtype: DType; dims: number[]; offset: number } {
  const dtype = TYPES[head[2] ?? 0];
  const rank = head[3] ?? 0;
  if (head[0] !== 0 || head[1] !== 0 || dtype === undefined || rank === 0 || head.length < 4 + 4 * rank) {
    throw fail('DATA_DAMAGED', `${name} is no IDX file`, { name });
  }
  const view = new DataView(head.buffer, head.byteOffset);
  const dims = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  if (!Number.isSafeInteger(sizeOf(dims))) throw fail('DATA_DAMAGED', `${name}: impossible shape [${dims}]`);
  return { dtype, dims, offset: 4 + 4 * rank };
}

function byteLength(dtype: DType, dims: readonly number[]): number {
  return (sizeOf(dims) * DTYPES[dtype].bits) / 8;
}

/** A gzipped file; how long it is inside, its IDX header says. */
async function gunzipped(path: string, name: string): Promise<ByteFile> {
  await fileSize(path);
  const stream = async function* (start: number): AsyncGenerator<Uint8Array> {
    const source = createReadStream(path);
    const inner = createGunzip();
    source.on('error', (error) => inner.destroy(error));
    let at = 0;
    try {
      for await (const piece of source.pipe(inner) as AsyncIterable<Uint8Array>) {
        const skipped = Math.min(piece.length, Math.max(0, start - at));
        at += piece.length;
        if (skipped < piece.length) yield piece.subarray(skipped);
      }
    } catch (cause) {
      throw damagedBy(name, cause);
    } finally {
      source.destroy();
      inner.destroy();
    }
  };
  const head = new Uint8Array(HEADER_MOST);
  let length = 0;
  for await (const piece of stream(0)) {
    const part = piece.subarray(0, HEADER_MOST - length);
    head.set(part, length);
    length += part.length;
    if (length === HEADER_MOST) break;
  }
  const { dtype, dims, offset } = parseIdxHeader(head.subarray(0, length), name);
  return { name, byteLength: offset + byteLength(dtype, dims), stream };
}
