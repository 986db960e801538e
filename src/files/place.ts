import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { fail, messageOf } from '../base/index.ts';

/**
 * Throws FILE_NOT_WRITTEN where a file or folder at `path` surely cannot be written: so that it is said before long
 * work, not after it. A full disk is seen only by the write itself.
 */
export async function assertPlace(path: string): Promise<void> {
  try {
    for (let folder = dirname(resolve(path)); ; folder = dirname(folder)) {
      const found = await stat(folder).catch((cause: NodeJS.ErrnoException) => {
        if (cause.code === 'ENOENT' && dirname(folder) !== folder) return undefined;
        throw cause;
      });
      if (found === undefined) continue;
      if (!found.isDirectory()) throw new Error(`${folder} is no folder`);
      return await access(folder, constants.W_OK | constants.X_OK);
    }
  } catch (cause) {
    throw fail('FILE_NOT_WRITTEN', `${path}: ${messageOf(cause)}`, { path }, cause);
  }
}
