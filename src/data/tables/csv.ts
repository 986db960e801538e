import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { parse } from 'csv-parse';
import { fail } from '../../base/index.ts';
import { damagedBy, fileSize } from '../arrays/byte-file.ts';
import type { Dataset } from '../dataset.ts';
import type { FullOptions } from '../options.ts';
import { datasetOfRecords, type Located, type WalkRequest } from './dataset-of-records.ts';

/** Comma-separated values: the columns are the features of one field, unless the options name fields and their columns. */
export async function openCsv(path: string, options: FullOptions): Promise<Dataset> {
  const name = basename(path);
  await fileSize(path);
  const delimiter = options.delimiter ?? (/\.tsv$/i.test(path) ? '\t' : ',');
  return datasetOfRecords(
    { name, together: true, walk: (request) => walk(path, name, delimiter, options.header, request) },
    options,
  );
}

async function* walk(
  path: string,
  name: string,
  delimiter: string,
  header: boolean,
  { signal }: WalkRequest,
): AsyncGenerator<Located> {
  const source = createReadStream(path);
  const parser = parse({
    delimiter,
    trim: true,
    skip_empty_lines: true,
    bom: true,
    max_record_size: 2 ** 26,
  });
  source.on('error', (error) => parser.destroy(error));
  let columns: readonly string[] | undefined;
  let index = 0;
  try {
    for await (const cells of source.pipe(parser) as AsyncIterable<string[]>) {
      signal?.throwIfAborted();
      if (columns === undefined) {
        columns = header ? named(cells, name) : cells.map((_, column) => String(column));
        if (header) continue;
      }
      const names = columns;
      const where = `${name}, record ${index + 1}`;
      yield {
        index: index++,
        where,
        record: () => Object.fromEntries(names.map((key, i) => [key, cells[i]])),
      };
    }
  } catch (cause) {
    throw signal?.aborted ? signal.reason : damagedBy(name, cause);
  } finally {
    source.destroy();
    parser.destroy();
  }
}

function named(cells: readonly string[], name: string): readonly string[] {
  const twice = cells.find((cell, at) => cells.indexOf(cell) !== at);
  if (twice === undefined) return cells;
  throw fail('DATA_DAMAGED', `${name} has two columns named '${twice}'`, {
    name,
    hint: 'Name columns apart.',
  });
}
