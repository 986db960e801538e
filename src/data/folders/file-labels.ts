import { createReadStream } from 'node:fs';
import { basename, join } from 'node:path';
import { parse } from 'csv-parse';
import { fail, messageOf } from '../../base/index.ts';
import { damagedBy, fileSize } from '../arrays/byte-file.ts';
import { classCode, type LabelCode, LabelScan, withClasses } from '../labels.ts';
import type { LabelOptions } from '../options.ts';
import type { Listed, Listing } from './listing.ts';

/** The labels of files: what they are, and the bytes of each. */
export interface FileLabels {
  readonly code: LabelCode;
  /** The bytes of the label of a file, by its number. */
  of(index: number): Uint8Array;
}

/** True where the options take labels from somewhere else than the folders. */
export function labelledElsewhere(options: LabelOptions): boolean {
  return options.none === true || options.file !== undefined || options.pattern !== undefined;
}

/** Labels by class folder, by a CSV file, or by a pattern on the file name. Throws DATA_NO_LABELS, DATA_DAMAGED. */
export async function fileLabels(
  root: string,
  listing: Listing,
  options: LabelOptions,
): Promise<FileLabels | undefined> {
  if (options.none) return undefined;
  const texts = await textsOf(root, listing, options);
  if (texts === undefined) return undefined;
  const code = codeOf(texts, listing, options);
  return { code, of: (index) => code.encode(texts[index]) };
}

async function textsOf(
  root: string,
  { files, classOf }: Listing,
  options: LabelOptions,
): Promise<readonly string[] | undefined> {
  if (options.file !== undefined) {
    const table = await readTable(join(root, options.file), options);
    return files.map(
      (file) => table.get(file.name) ?? table.get(basename(file.name)) ?? missing(file, options.file),
    );
  }
  if (options.pattern !== undefined) {
    const pattern = compile(options.pattern);
    return files.map((file) => pattern.exec(file.name)?.[1] ?? missing(file, `/${options.pattern}/`));
  }
  return classOf;
}

function compile(pattern: string): RegExp {
  try {
    return new RegExp(pattern);
  } catch (cause) {
    throw fail('USAGE_BAD_OPTION', `labels.pattern: ${messageOf(cause)}`, {}, cause);
  }
}

function missing(file: Listed, where: string | undefined): never {
  throw fail('DATA_NO_LABELS', `${where} gives no label for ${file.name}`, { file: file.name });
}

function codeOf(texts: readonly string[], { classOf, files }: Listing, options: LabelOptions): LabelCode {
  const scan = new LabelScan();
  for (const [index, text] of texts.entries()) scan.see(text, files[index]!.name);
  const { classes } = options;
  if (texts === classOf) return classCode(classes ?? sortedClasses(texts));
  return withClasses(scan.finish(), classes);
}

/** Class folders in order: by number where all are numbers (2 before 10), else by name. */
function sortedClasses(texts: readonly string[]): string[] {
  const names = [...new Set(texts)].sort();
  return names.every((name) => /^\d+$/.test(name)) ? names.sort((a, b) => Number(a) - Number(b)) : names;
}

async function readTable(path: string, options: LabelOptions): Promise<Map<string, string>> {
  const { name = 0, value = 1 } = options;
  const header = options.header ?? (typeof name === 'string' || typeof value === 'string');
  await fileSize(path);
  const table = new Map<string, string>();
  const parser = createReadStream(path).pipe(parse({ trim: true, skip_empty_lines: true, bom: true }));
  let columns: readonly [number, number] | undefined;
  try {
    for await (const record of parser as AsyncIterable<string[]>) {
      if (columns === undefined) {
        columns = [place(record, name, path), place(record, value, path)];
        if (header) continue;
      }
      const [file, label] = [record[columns[0]], record[columns[1]]];
      if (file && label !== undefined) table.set(file.replaceAll('\\', '/').replace(/^\.\//, ''), label);
    }
  } catch (cause) {
    throw damagedBy(basename(path), cause);
  }
  return table;
}

function place(record: readonly string[], column: string | number, path: string): number {
  const at = typeof column === 'number' ? column : record.indexOf(column);
  if (at >= 0 && at < record.length) return at;
  throw fail(
    'USAGE_BAD_OPTION',
    `${basename(path)} has no column ${column}; its first line: ${record.join(', ')}`,
  );
}
