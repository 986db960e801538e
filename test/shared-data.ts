import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** The repository, from wherever the built tests run. */
export const ROOT = resolve(new URL('.', import.meta.url).pathname, '../..');

/** The path of a shared model or data file, or undefined where this machine lacks it (the test is then skipped, saying so). */
export function sharedData(name: string): string | undefined {
  const path = join(process.env.MODICUM_SHARED ?? join(ROOT, '../shared/data'), name);
  return existsSync(path) ? path : undefined;
}
