import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { VERSION } from '../base/index.ts';
import { writeFileAtomically } from '../files/index.ts';

export interface KeepOptions {
  /** Folder of the cache; false: nothing is read or written. Default: modicum in $XDG_CACHE_HOME or ~/.cache. */
  readonly cache?: string | false;
}

/**
 * What was measured before under the same key (any JSON), or is measured now and kept for the next time as a file. `fits` says
 * whether what a file holds is what it should be: a cache that is damaged is none. One that cannot be written costs time, nothing else.
 */
export async function kept<T>(
  kind: string,
  key: unknown,
  fits: (value: unknown) => value is T,
  measure: () => Promise<T>,
  { cache }: KeepOptions = {},
): Promise<T> {
  if (cache === false) return measure();
  const folder = cache ?? join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'modicum');
  const name = createHash('sha256')
    .update(JSON.stringify([VERSION, kind, key]))
    .digest('hex')
    .slice(0, 32);
  const path = join(folder, `${kind}-${name}.json`);
  try {
    const found: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (fits(found)) return found;
  } catch {
    // None yet, or a damaged one.
  }
  const made = await measure();
  await writeFileAtomically(path, `${JSON.stringify(made)}\n`).catch(() => {});
  return made;
}
