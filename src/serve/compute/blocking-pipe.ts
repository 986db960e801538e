import { constants } from 'node:buffer';
import { readSync, writevSync } from 'node:fs';
import { FRAME_HEAD, type Frame, frameOf, readHead, readNote } from './frame.ts';

/** The most that one call of the system moves. */
const MOST_AT_ONCE = 2 ** 30;

/**
 * Frames through a file descriptor by calls that block: for a process that has nothing else to do than to wait for the next one. Of the
 * ways measured (docs/results.md, "Serving: the engine") it is the fastest for all sizes. All bodies are read into the same memory, which
 * grows to the largest, so that a batch costs no fresh pages.
 */
export class BlockingPipe {
  readonly #fd: number;
  readonly #head = Buffer.alloc(FRAME_HEAD);
  #note = Buffer.alloc(4096);
  #slab = Buffer.alloc(0);

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** The next frame, its body valid until the next call; undefined when the other side has closed. Throws WORKER_CRASHED. */
  read(): Frame | undefined {
    if (!this.#fill(this.#head, FRAME_HEAD)) return undefined;
    const { note, body } = readHead(this.#head, constants.MAX_LENGTH);
    if (this.#note.byteLength < note) this.#note = Buffer.alloc(note);
    if (!this.#fill(this.#note, note)) return undefined;
    // Of its own memory: not out of Node's pool, where it would not be aligned.
    if (this.#slab.byteLength < body) this.#slab = Buffer.allocUnsafeSlow(body);
    if (!this.#fill(this.#slab, body)) return undefined;
    return { note: readNote(this.#note.subarray(0, note)), body: this.#slab.subarray(0, body) };
  }

  /** Returns when all is written. Throws what the system says (EPIPE: the other side is gone). */
  write(note: unknown, pieces: readonly Uint8Array[] = []): void {
    let parts = frameOf(note, pieces);
    while (parts.length > 0) {
      const now = parts.slice(0, 64).map((part) => part.subarray(0, MOST_AT_ONCE));
      parts = without(parts, writevSync(this.#fd, now));
    }
  }

  #fill(target: Buffer, bytes: number): boolean {
    for (let at = 0; at < bytes; ) {
      const got = readSync(this.#fd, target, at, Math.min(bytes - at, MOST_AT_ONCE), null);
      if (got === 0) return false;
      at += got;
    }
    return true;
  }
}

/** What is left of the parts after so many bytes. */
function without(parts: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let skip = bytes;
  let i = 0;
  while (i < parts.length && skip >= parts[i]!.byteLength) skip -= parts[i++]!.byteLength;
  const rest = parts.slice(i);
  if (skip > 0) rest[0] = rest[0]!.subarray(skip);
  return rest;
}
