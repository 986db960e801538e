import { closeSync, openSync, readSync, realpathSync, statSync } from 'node:fs';
import { isAbsolute, join, sep } from 'node:path';
import { fail, messageOf } from '../base/index.ts';
import type { ByteSource, ExternalResolver } from '../graph/index.ts';

/**
 * Finds external weights beside a model. A location that is absolute, climbs out of the folder or leaves it through a
 * symbolic link is refused (EXTERNAL_ESCAPES): it would let a model read any file of its user.
 */
export function externalResolver(folder: string): ExternalResolver {
  return (location, offset, length) => {
    if (location === '' || isAbsolute(location) || /^[a-zA-Z]:|^\\/.test(location) || /[\0]/.test(location)) {
      throw fail('EXTERNAL_ESCAPES', `location "${location}"`, { location });
    }
    if (location.split(/[\\/]/).includes('..'))
      throw fail('EXTERNAL_ESCAPES', `location "${location}"`, { location });
    const path = join(folder, location);
    const real = tryRealpath(path);
    if (real === undefined) throw fail('EXTERNAL_MISSING', path, { path });
    if (!real.startsWith(realpathSync(folder).replace(/[\\/]$/, '') + sep)) {
      throw fail('EXTERNAL_ESCAPES', `"${location}" leads to ${real}`, { location });
    }
    return fileSlice(real, offset, length);
  };
}

function tryRealpath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

/** A slice of a file, read anew each time. The file must not change in between: that is checked, and said. */
function fileSlice(path: string, offset: number, length: number): ByteSource {
  const seen = statSync(path);
  if (!seen.isFile()) throw fail('EXTERNAL_MISSING', `${path} is not a regular file`, { path });
  if (offset + length > seen.size) {
    throw fail('EXTERNAL_MISSING', `${path} has ${seen.size} bytes, ${offset + length} are needed`, { path });
  }
  return {
    byteLength: length,
    read() {
      const bytes = new Uint8Array(length);
      let file: number | undefined;
      try {
        const now = statSync(path);
        if (now.ino !== seen.ino || now.size !== seen.size || now.mtimeMs !== seen.mtimeMs) {
          throw new Error('it was changed after the model was loaded');
        }
        file = openSync(path, 'r');
        for (let done = 0; done < length; ) {
          const got = readSync(file, bytes, done, Math.min(length - done, 1 << 30), offset + done);
          if (got === 0) throw new Error('it ends too early');
          done += got;
        }
      } catch (cause) {
        throw fail('EXTERNAL_MISSING', `${path}: ${messageOf(cause)}`, { path }, cause);
      } finally {
        if (file !== undefined) closeSync(file);
      }
      return bytes;
    },
  };
}
