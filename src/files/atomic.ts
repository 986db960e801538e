import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fail, ModicumError, messageOf } from '../base/index.ts';

/** The name under which a file or folder is written until it is whole. */
export function stagingPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}-${randomBytes(4).toString('hex')}.part`);
}

/** Appends to a file that is being written. */
export interface Appender {
  /** Bytes written so far. */
  readonly length: number;
  append(bytes: Uint8Array): Promise<void>;
}

/**
 * Writes a file whole or not at all: into a hidden neighbour, flushed to the disk, then renamed over `path`.
 * The folder is made where it is missing. Throws FILE_NOT_WRITTEN; errors of `write` itself pass through.
 */
export async function writeAtomically(path: string, write: (file: Appender) => Promise<void>): Promise<void> {
  const staging = stagingPath(path);
  try {
    await mkdir(dirname(path), { recursive: true });
    const handle = await open(staging, 'wx');
    try {
      let length = 0;
      await write({
        get length() {
          return length;
        },
        async append(bytes) {
          for (let done = 0; done < bytes.byteLength; ) {
            const { bytesWritten } = await handle.write(bytes, done, bytes.byteLength - done);
            done += bytesWritten;
          }
          length += bytes.byteLength;
        },
      });
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(staging, path);
  } catch (cause) {
    await rm(staging, { force: true }).catch(() => {});
    if (cause instanceof ModicumError || (cause as { name?: string }).name === 'AbortError') throw cause;
    throw fail('FILE_NOT_WRITTEN', `${path}: ${messageOf(cause)}`, { path }, cause);
  }
}

/** Writes a small file whole or not at all. */
export async function writeFileAtomically(path: string, content: Uint8Array | string): Promise<void> {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  await writeAtomically(path, (file) => file.append(bytes));
}

/**
 * Fills a folder whole or not at all: `fill` writes into a hidden neighbour, which then takes the place of `path`.
 * A folder already at `path` is replaced, and put back if the last step fails.
 */
export async function writeFolderAtomically(
  path: string,
  fill: (staging: string) => Promise<void>,
): Promise<void> {
  const staging = stagingPath(path);
  const old = stagingPath(`${path}.old`);
  let moved = false;
  try {
    await mkdir(staging, { recursive: true });
    await fill(staging);
    moved = await rename(path, old).then(
      () => true,
      () => false,
    );
    await rename(staging, path);
  } catch (cause) {
    await rm(staging, { recursive: true, force: true }).catch(() => {});
    if (moved) await rename(old, path).catch(() => {});
    if (cause instanceof ModicumError || (cause as { name?: string }).name === 'AbortError') throw cause;
    throw fail('FILE_NOT_WRITTEN', `${path}: ${messageOf(cause)}`, { path }, cause);
  }
  if (moved) await rm(old, { recursive: true, force: true });
}
