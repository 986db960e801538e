import { readdir } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { fail, messageOf } from '../../base/index.ts';

/** A file of a folder that is one sample. */
export interface Listed {
  /** On disk. */
  readonly path: string;
  /** Relative to the folder, with '/'. */
  readonly name: string;
}

export interface Listing {
  readonly files: readonly Listed[];
  /** The class of each file, where they lie in a folder per class. */
  readonly classOf?: readonly string[];
  /** By the folders train, test and the like, where there are such. */
  readonly parts?: Readonly<Record<string, Uint32Array>>;
}

const PART_NAMES: ReadonlySet<string> = new Set([
  'train',
  'training',
  'test',
  'testing',
  'val',
  'valid',
  'validation',
  'dev',
  'eval',
  'calibration',
  'search',
  'held-out',
]);

/** Files of these extensions (lower case, with dot) below a folder, sorted by path. Hidden ones are passed over. */
export async function listFiles(folder: string, extensions: readonly string[]): Promise<Listed[]> {
  const found: Listed[] = [];
  await walk(folder, '', extensions, found, 0);
  return found.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

const DEEPEST = 32;

async function walk(
  folder: string,
  prefix: string,
  extensions: readonly string[],
  found: Listed[],
  depth: number,
): Promise<void> {
  if (depth > DEEPEST) throw fail('FILE_UNREADABLE', `${folder} is nested over ${DEEPEST} folders deep`);
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause) => {
    throw fail('FILE_UNREADABLE', `${folder}: ${messageOf(cause)}`, { path: folder }, cause);
  });
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    const path = join(folder, entry.name);
    const name = prefix + entry.name;
    // Links to folders are not followed: they may lead in a circle.
    if (entry.isDirectory()) await walk(path, `${name}/`, extensions, found, depth + 1);
    else if (extensions.includes(extname(entry.name).toLowerCase())) found.push({ path, name });
  }
}

/** What the places of files in a folder say: their classes and parts. `flat`: labels come from elsewhere. */
export async function arrange(
  path: string,
  isFile: boolean,
  extensions: readonly string[],
  flat: boolean,
): Promise<Listing> {
  if (isFile) return { files: [{ path, name: basename(path) }] };
  const files = await listFiles(path, extensions);
  if (files.length === 0) {
    throw fail('DATA_EMPTY', `${path} has no files ending in ${extensions.join(', ')}`, { path });
  }
  const tops = files.map(({ name }) => top(name));
  const inParts = tops.every((name) => name !== undefined && PART_NAMES.has(name.toLowerCase()));
  const parts = inParts ? partsOf(tops as string[]) : undefined;
  if (flat) return { files, parts };
  const classOf = inParts ? files.map(({ name }) => top(name.slice(name.indexOf('/') + 1))) : tops;
  if (classOf.every((name) => name === undefined)) return { files, parts };
  const stray = classOf.indexOf(undefined);
  if (stray >= 0) {
    const why = `${path} has class folders, and ${files[stray]?.name} lies in none`;
    throw fail('DATA_FORMAT_UNKNOWN', why, {
      path,
      hint: 'Put every file into the folder of its class, or none.',
    });
  }
  return { files, classOf: classOf as string[], parts };
}

function top(name: string): string | undefined {
  const slash = name.indexOf('/');
  return slash < 0 ? undefined : name.slice(0, slash);
}

function partsOf(names: readonly string[]): Record<string, Uint32Array> {
  const parts: Record<string, number[]> = {};
  for (const [index, name] of names.entries()) {
    parts[name] ??= [];
    parts[name].push(index);
  }
  return Object.fromEntries(Object.entries(parts).map(([name, list]) => [name, Uint32Array.from(list)]));
}
