import type { Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { fail, messageOf } from '../../base/index.ts';

/** Where models lie: a model file, the folder of a bundle, or folders of versions: [NAME/]VERSION/{bundle.json | model.onnx}. */
export interface Place {
  readonly path: string;
  /** Default: the name of the file or folder. In a folder of several models they have their own. */
  readonly name?: string;
}

/** A version of a model on disk. */
export interface Found {
  readonly name: string;
  readonly version: string;
  /** Of the model file, or of the folder of the bundle. */
  readonly path: string;
  /** Differs when its files do. */
  readonly signature: string;
}

/** What a model has that lies alone. */
const ONLY_VERSION = '1';
const NAME = /^[\w][\w.-]{0,127}$/;
const collator = new Intl.Collator('en', { numeric: true });

/** Older versions first: numbers by size, also within names. */
export const byVersion = (a: string, b: string): number => collator.compare(a, b);

/** What lies at a place, the versions of a model in order. Throws FILE_NOT_FOUND, SERVER_CONFIG_INVALID. */
export async function findVersions(place: Place): Promise<Found[]> {
  const path = resolve(place.path);
  const about = await stat(path).catch((cause) => {
    throw fail('FILE_NOT_FOUND', `${path}: ${messageOf(cause)}`, { path }, cause);
  });
  const name = place.name ?? basename(path).replace(/\.(onnx|ort)$/, '');
  if (about.isFile()) {
    const beside = await Promise.all([`${path}.data`, `${path}_data`].map(statOf));
    return [{ name: named(name), version: ONLY_VERSION, path, signature: signed([about, ...beside]) }];
  }
  const whole = await modelIn(path);
  if (whole !== undefined) return [{ name: named(name), version: ONLY_VERSION, ...whole }];
  const versions = await versionsIn(path, name);
  if (versions.length > 0) return versions;
  const models = await Promise.all((await foldersIn(path)).map((one) => versionsIn(join(path, one), one)));
  return models.flat();
}

async function versionsIn(folder: string, name: string): Promise<Found[]> {
  const found: Found[] = [];
  for (const version of (await foldersIn(folder)).sort(byVersion)) {
    const model = await modelIn(join(folder, version));
    if (model !== undefined) found.push({ name: named(name), version, ...model });
  }
  return found;
}

async function modelIn(folder: string): Promise<Pick<Found, 'path' | 'signature'> | undefined> {
  const bundle = await statOf(join(folder, 'bundle.json'));
  // It holds the digests of all the rest.
  if (bundle !== undefined) return { path: folder, signature: signed([bundle]) };
  const model = join(folder, 'model.onnx');
  if ((await statOf(model)) === undefined) return undefined;
  const files = await Promise.all((await readdir(folder)).sort().map((file) => statOf(join(folder, file))));
  return { path: model, signature: signed(files) };
}

async function foldersIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  // A link may be a folder: that is how Kubernetes swaps what it mounts.
  return entries
    .filter((entry) => (entry.isDirectory() || entry.isSymbolicLink()) && NAME.test(entry.name))
    .map(({ name }) => name);
}

function named(name: string): string {
  if (NAME.test(name)) return name;
  throw fail(
    'SERVER_CONFIG_INVALID',
    `a model cannot be called "${name}": letters, digits, ".", "-" and "_" only; give it a name`,
  );
}

const statOf = (path: string): Promise<Stats | undefined> => stat(path).catch(() => undefined);

function signed(files: readonly (Stats | undefined)[]): string {
  return files.map((file) => (file ? `${file.ino}:${file.mtimeMs}:${file.size}` : '-')).join(' ');
}
