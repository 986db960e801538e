import { basename } from 'node:path';
import { type AsyncBuffer, type FileMetaData, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { fail, throwIfAborted } from '../../base/index.ts';
import { type ByteFile, damagedBy, wholeFile } from '../arrays/byte-file.ts';
import type { Dataset } from '../dataset.ts';
import type { FullOptions } from '../options.ts';
import { datasetOfRecords, type Located, type TableRecord, type WalkRequest } from './dataset-of-records.ts';

/** Parquet: number columns are the features of one field; where there are lists, each column is a field. Memory holds one row group. */
export async function openParquet(path: string, options: FullOptions): Promise<Dataset> {
  const name = basename(path);
  const file = await wholeFile(path, name);
  if (file.byteLength < 12) throw fail('DATA_DAMAGED', `${name} is too short for Parquet`, { name });
  const metadata = await decoded(file, (buffer) => parquetMetadataAsync(buffer));
  const size = Number(metadata.num_rows);
  if (!Number.isSafeInteger(size) || size < 0)
    throw fail('DATA_DAMAGED', `${name} claims ${size} rows`, { name });
  return datasetOfRecords(
    { name, size, together: true, walk: (request) => walk(file, metadata, request) },
    options,
  );
}

async function* walk(
  file: ByteFile,
  metadata: FileMetaData,
  { columns, skip, signal }: WalkRequest,
): AsyncGenerator<Located> {
  let start = 0;
  for (const group of metadata.row_groups) {
    throwIfAborted(signal);
    const end = start + Number(group.num_rows);
    if (!skip?.(start, end)) {
      const rows = await readRows(file, metadata, start, end, columns);
      for (const [i, row] of rows.entries()) {
        yield { index: start + i, where: `${file.name}, row ${start + i}`, record: () => row };
      }
    }
    start = end;
  }
}

async function readRows(
  file: ByteFile,
  metadata: FileMetaData,
  rowStart: number,
  rowEnd: number,
  columns: readonly string[] | undefined,
): Promise<readonly TableRecord[]> {
  const wanted = columns && [...columns];
  const rows = await decoded(file, (buffer) =>
    parquetReadObjects({ file: buffer, metadata, rowStart, rowEnd, columns: wanted, compressors }),
  );
  if (rows.length === rowEnd - rowStart) return rows;
  const why = `${file.name} has ${rows.length} of the ${rowEnd - rowStart} rows that it claims`;
  throw fail('DATA_DAMAGED', why, { name: file.name });
}

/**
 * Runs the Parquet reader on a file. The reader fetches ahead and may never look at what it fetched, so that a failed
 * fetch would end the process as an unhandled rejection: fetches never fail, and what failed is thrown at the end.
 */
async function decoded<T>(file: ByteFile, work: (buffer: AsyncBuffer) => Promise<T>): Promise<T> {
  let failure: unknown;
  const buffer: AsyncBuffer = {
    byteLength: file.byteLength,
    async slice(start, end = file.byteLength) {
      try {
        return await readSlice(file, start, end);
      } catch (cause) {
        failure ??= cause;
        return new ArrayBuffer(0);
      }
    },
  };
  try {
    const result = await work(buffer);
    if (failure === undefined) return result;
  } catch (cause) {
    throw damagedBy(file.name, failure ?? cause);
  }
  throw damagedBy(file.name, failure);
}

async function readSlice(file: ByteFile, start: number, end: number): Promise<ArrayBuffer> {
  const from = start < 0 ? Math.max(0, file.byteLength + start) : start;
  const to = Math.min(end, file.byteLength);
  if (!(from <= to)) throw new RangeError(`bytes ${from} to ${to} of ${file.byteLength}`);
  const bytes = new Uint8Array(to - from);
  const reader = await file.openRandom!();
  try {
    await reader.read(bytes, from);
  } finally {
    await reader.close();
  }
  return bytes.buffer;
}
