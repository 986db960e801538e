import { basename } from 'node:path';
import { fail, messageOf } from '../../base/index.ts';
import { wholeFile } from '../arrays/byte-file.ts';
import type { Dataset } from '../dataset.ts';
import type { FullOptions } from '../options.ts';
import { datasetOfRecords, type Located, type TableRecord } from './dataset-of-records.ts';

/** A longer line is no record of data. */
const LINE_MOST = 256 * 2 ** 20;
const NEWLINE = 10;

/** JSON Lines: an object per line, {"x": [[1, 2], [3, 4]], "label": 3} say; keys are fields, empty lines are passed over. */
export async function openJsonl(path: string, options: FullOptions): Promise<Dataset> {
  const name = basename(path);
  const file = await wholeFile(path, name);
  return datasetOfRecords(
    {
      name,
      together: false,
      async *walk({ signal }) {
        let index = 0;
        let line = 0;
        for await (const bytes of linesOf(file.stream(0, signal), name)) {
          line++;
          if (!blank(bytes)) yield located(index++, bytes, `${name}, line ${line}`);
        }
      },
    },
    options,
  );
}

function located(index: number, bytes: Uint8Array, where: string): Located {
  return { index, where, record: () => parse(bytes, where) };
}

function parse(bytes: Uint8Array, where: string): TableRecord {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw fail('DATA_DAMAGED', `${where}: ${messageOf(cause)}`, { where }, cause);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as TableRecord;
  throw fail('DATA_DAMAGED', `${where} holds no JSON object`, { where });
}

function blank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 32 || byte === 9 || byte === 13);
}

/** Lines without their ends; views that hold until the next is asked for. */
async function* linesOf(pieces: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Uint8Array> {
  let held: Uint8Array[] = [];
  let size = 0;
  for await (const piece of pieces) {
    let start = 0;
    for (let end = piece.indexOf(NEWLINE); end >= 0; end = piece.indexOf(NEWLINE, start)) {
      const tail = piece.subarray(start, end);
      yield held.length > 0 ? Buffer.concat([...held, tail]) : tail;
      held = [];
      size = 0;
      start = end + 1;
    }
    held.push(piece.subarray(start));
    size += piece.length - start;
    if (size > LINE_MOST) throw fail('DATA_DAMAGED', `${name} has a line over ${LINE_MOST} bytes`, { name });
  }
  if (size > 0) yield Buffer.concat(held);
}
