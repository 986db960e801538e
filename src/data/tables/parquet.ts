import { basename } from 'node:path';
import { type AsyncBuffer, type FileMetaData, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { fail, throwIfAborted } from '../../base/index.ts';
import { type ByteFile, damagedBy, orDamaged, wholeFile } from '../arrays/byte-file.ts';
import type { Dataset } from '../dataset.ts';
import type { FullOptions } from '../options.ts';
import { datasetOfRecords, type Located, type TableRecord, type WalkRequest } from './dataset-of-records.ts';

/** Parquet: number columns are the features of one field; where there are lists, each column is a field. Memory holds one row group. */
export async function openParquet(path: string, options: FullOptions): Promise<Dataset> {
  const name = basename(path);
  const file = await wholeFile(path, name);
  if (file.byteLength < 12) throw fail('DATA_DAMAGED', `${name} is too short for Parquet`, { name });
  const buffer = asyncBuffer(file);
  const metadata = await orDamaged(name, () => parquetMetadataAsync(buffer));
  const size = Number(metadata.num_rows);
  if (!Number.isSafeInteger(size) || size < 0)
    throw fail('DATA_DAMAGED', `${name} claims ${size} rows`, { name });
  return datasetOfRecords(
    { name, size, together: true, walk: (request) => walk(name, buffer, metadata, request) },
    options,
  );
}

async function* walk(
  name: string,
  file: AsyncBuffer,
  metadata: FileMetaData,
  { columns, skip, signal }: WalkRequest,
): AsyncGenerator<Located> {
  let start = 0;
  for (const group of metadata.row_groups) {
    throwIfAborted(signal);
    const end = start + Number(group.num_rows);
    if (!skip?.(start, end)) {
      const rows = await readRows(name, file, metadata, start, end, columns);
      for (const [i, row] of rows.entries()) {
        yield { index: start + i, where: `${name}, row ${start + i}`, record: () => row };
      }
    }
    start = end;
  }
}

async function readRows(
  name: string,
  file: AsyncBuffer,
  metadata: FileMetaData,
  rowStart: number,
  rowEnd: number,
  columns: readonly string[] | undefined,
): Promise<readonly TableRecord[]> {
  const wanted = columns && [...columns];
  try {
    return await parquetReadObjects({ file, metadata, rowStart, rowEnd, columns: wanted, compressors });
  } catch (cause) {
    throw damagedBy(name, cause);
  }
}

/** The file as the Parquet reader asks for it. */
function asyncBuffer(file: ByteFile): AsyncBuffer {
  return {
    byteLength: file.byteLength,
    async slice(start, end = file.byteLength) {
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
    },
  };
}
