import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { fail, messageOf } from '../base/index.ts';
import { checkOptions, type DataOptions } from './options.ts';

/** The name of the file of options in a folder of data. */
export const SIDECAR = 'dataset.json';

/** Data and its options, those of a dataset.json included. */
export interface WithOptions {
  readonly path: string;
  readonly options: DataOptions;
  /** True where a dataset.json told the path or the kind. */
  readonly fromFile: boolean;
}

/**
 * Finds the dataset.json of data: in a folder, or beside it as `<name>.dataset.json`; or `path` is one itself, and tells
 * where the data lies. Options given in code come before those of the file. Throws USAGE_BAD_OPTION, DATA_DAMAGED.
 */
export async function withSidecar(path: string, options: DataOptions): Promise<WithOptions> {
  const name = basename(path);
  if (name === SIDECAR || name.endsWith(`.${SIDECAR}`)) {
    const found = await readSidecar(path);
    if (found === undefined) throw fail('FILE_NOT_FOUND', path, { path });
    const own = name === SIDECAR ? '.' : name.slice(0, -SIDECAR.length - 1);
    return { path: join(dirname(path), found.path ?? own), options: merged(found, options), fromFile: true };
  }
  const folder = await stat(path).then(
    (entry) => entry.isDirectory(),
    () => false,
  );
  const inside = folder ? await readSidecar(join(path, SIDECAR)) : undefined;
  const beside = inside ?? (await readSidecar(`${resolve(path)}.${SIDECAR}`));
  if (beside === undefined) return { path, options, fromFile: false };
  const moved = inside?.path === undefined ? path : join(path, inside.path);
  const fromFile = moved !== path || (beside.kind !== undefined && options.kind === undefined);
  return { path: moved, options: merged(beside, options), fromFile };
}

async function readSidecar(path: string): Promise<DataOptions | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    const { code } = cause as { code?: string };
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw fail('FILE_UNREADABLE', `${path}: ${messageOf(cause)}`, { path }, cause);
  }
  let options: DataOptions;
  try {
    options = JSON.parse(text) as DataOptions;
  } catch (cause) {
    throw fail('DATA_DAMAGED', `${path}: ${messageOf(cause)}`, { path }, cause);
  }
  checkOptions(options, basename(path));
  return options;
}

function merged(file: DataOptions, given: DataOptions): DataOptions {
  const preprocess = { ...file.preprocess, ...given.preprocess };
  for (const key of ['image', 'audio'] as const) {
    const both = { ...file.preprocess?.[key], ...given.preprocess?.[key] };
    if (Object.keys(both).length > 0) preprocess[key] = both;
  }
  return { ...file, ...given, labels: { ...file.labels, ...given.labels }, preprocess };
}
