import { type FileHandle, open, stat } from 'node:fs/promises';
import { fail, ModicumError, messageOf } from '../../base/index.ts';

/** Bytes of a file, or of an entry of an archive, read front to back in pieces. */
export interface ByteFile {
  /** For people. */
  readonly name: string;
  readonly byteLength: number;
  /** Pieces of any size from `start` on, to the end. */
  stream(start: number, signal?: AbortSignal): AsyncIterable<Uint8Array>;
  /** Where reading anywhere is cheap. The opener closes. */
  readonly openRandom?: () => Promise<{ read: ReadAt; close(): Promise<void> }>;
}

/** Fills `into` from `position` on; throws DATA_DAMAGED where the file ends before. */
export type ReadAt = (into: Uint8Array, position: number) => Promise<void>;

const PIECE = 2 ** 20;

/** The bytes `start` to `start + byteLength` of a file on disk. */
export function byteFile(path: string, name: string, start: number, byteLength: number): ByteFile {
  return {
    name,
    byteLength,
    async *stream(from, signal) {
      const handle = await openFile(path);
      try {
        const read = readerOf(handle, name, path, start);
        for (let at = from; at < byteLength; at += PIECE) {
          signal?.throwIfAborted();
          const piece = new Uint8Array(Math.min(PIECE, byteLength - at));
          await read(piece, at);
          yield piece;
        }
      } finally {
        await handle.close();
      }
    },
    async openRandom() {
      const handle = await openFile(path);
      return { read: readerOf(handle, name, path, start), close: () => handle.close() };
    },
  };
}

/** A whole file. Throws FILE_NOT_FOUND, FILE_UNREADABLE. */
export async function wholeFile(path: string, name: string): Promise<ByteFile> {
  return byteFile(path, name, 0, await fileSize(path));
}

/** Bytes of a regular file. Throws FILE_NOT_FOUND, FILE_UNREADABLE. */
export async function fileSize(path: string): Promise<number> {
  const found = await stat(path).catch((cause) => {
    throw fail('FILE_NOT_FOUND', path, { path }, cause);
  });
  if (!found.isFile()) throw fail('FILE_UNREADABLE', `${path} is not a regular file`, { path });
  return found.size;
}

async function openFile(path: string): Promise<FileHandle> {
  return open(path).catch((cause) => {
    throw fail('FILE_UNREADABLE', `${path}: ${messageOf(cause)}`, { path }, cause);
  });
}

function readerOf(handle: FileHandle, name: string, path: string, start: number): ReadAt {
  return async (into, position) => {
    for (let done = 0; done < into.byteLength; ) {
      const { bytesRead } = await handle
        .read(into, done, into.byteLength - done, start + position + done)
        .catch((cause) => {
          throw fail('FILE_UNREADABLE', `${path}: ${messageOf(cause)}`, { path }, cause);
        });
      if (bytesRead === 0) throw fail('DATA_DAMAGED', `${name} ends too early`, { name });
      done += bytesRead;
    }
  };
}

/** Runs work on a file; anything but an error of our own or an abort means that the file is damaged. */
export async function orDamaged<T>(name: string, work: () => Promise<T> | T): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw damagedBy(name, cause);
  }
}

/** The error for something thrown while decoding `name`. */
export function damagedBy(name: string, cause: unknown): unknown {
  if (cause instanceof ModicumError || (cause as { name?: string } | null)?.name === 'AbortError')
    return cause;
  return fail('DATA_DAMAGED', `${name}: ${messageOf(cause)}`, { name }, cause);
}

/** Cuts a stream of pieces into rows of `width` bytes. The rows are views that hold until the next is asked for. */
export async function* rowsOf(pieces: AsyncIterable<Uint8Array>, width: number): AsyncGenerator<Uint8Array> {
  const spare = new Uint8Array(width);
  let held = 0;
  for await (const piece of pieces) {
    let at = 0;
    if (held > 0) {
      at = Math.min(width - held, piece.length);
      spare.set(piece.subarray(0, at), held);
      held += at;
      if (held < width) continue;
      yield spare;
      held = 0;
    }
    for (; at + width <= piece.length; at += width) yield piece.subarray(at, at + width);
    spare.set(piece.subarray(at));
    held = piece.length - at;
  }
}

/** The first `most` bytes of a file, or all it has. */
export async function headOf(file: ByteFile, most: number): Promise<Uint8Array> {
  const wanted = Math.min(most, file.byteLength);
  const head = new Uint8Array(wanted);
  let done = 0;
  for await (const piece of file.stream(0)) {
    const part = piece.subarray(0, wanted - done);
    head.set(part, done);
    done += part.length;
    if (done === wanted) return head;
  }
  if (done < wanted) throw fail('DATA_DAMAGED', `${file.name} ends too early`, { name: file.name });
  return head;
}

/** All bytes of a file that is known to be small. */
export async function allOf(file: ByteFile): Promise<Uint8Array> {
  return headOf(file, file.byteLength);
}
