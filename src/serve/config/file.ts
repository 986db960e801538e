import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { fail, messageOf } from '../../base/index.ts';

const NAMES = ['ts', 'mts', 'js', 'mjs', 'json'].map((end) => `modicum.serve.${end}`);

/** Settings that are paths; in a file they are relative to it. */
const PATHS = ['tlsCert', 'tlsKey', 'tlsClientCa', 'keys'];

export interface LoadedFile {
  readonly path: string;
  readonly values: Readonly<Record<string, unknown>>;
}

/** Reads the settings of a file, by default modicum.serve.{ts,mts,js,mjs,json} of the folder; undefined where there is none. Throws SERVER_CONFIG_INVALID. */
export async function loadServerFile(
  given?: string,
  folder = process.cwd(),
): Promise<LoadedFile | undefined> {
  const path = given ?? NAMES.map((name) => join(folder, name)).find((candidate) => existsSync(candidate));
  if (path === undefined) return undefined;
  let value: unknown;
  try {
    if (path.endsWith('.json')) value = JSON.parse(await readFile(path, 'utf8'));
    else {
      const { createJiti } = await import('jiti');
      value = await createJiti(import.meta.url).import(pathToFileURL(resolve(path)).href, { default: true });
    }
  } catch (cause) {
    throw fail('SERVER_CONFIG_INVALID', `${path}: ${messageOf(cause)}`, { path }, cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw fail('SERVER_CONFIG_INVALID', `${path}: it holds no object of settings`, { path });
  }
  return { path, values: fromFile(value as Record<string, unknown>, dirname(resolve(path))) };
}

function fromFile(values: Record<string, unknown>, folder: string): Record<string, unknown> {
  const absolute = (path: string) => (isAbsolute(path) ? path : join(folder, path));
  const model = (given: unknown) => {
    if (typeof given !== 'string') return given;
    const { name, path } = namedPath(given);
    return name === undefined ? absolute(path) : `${name}=${absolute(path)}`;
  };
  const moved: Record<string, unknown> = { ...values };
  for (const name of PATHS) if (typeof moved[name] === 'string') moved[name] = absolute(moved[name]);
  if (Array.isArray(moved.models)) moved.models = moved.models.map(model);
  return moved;
}

/** NAME=PATH or PATH. A path that holds "=" after a slash is no name. */
export function namedPath(given: string): { name?: string; path: string } {
  const found = /^([^=/\\]+)=(.+)$/.exec(given);
  return found === null ? { path: given } : { name: found[1], path: found[2]! };
}
