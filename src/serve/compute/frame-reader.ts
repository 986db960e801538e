import { constants } from 'node:buffer';
import { FRAME_HEAD, type Frame, readHead, readNote } from './frame.ts';

/**
 * Finds the frames in a stream of chunks, however it is cut. A body that lies whole in one chunk is a view of it, another is gathered
 * in memory of its own; both belong to whoever gets the frame.
 */
export class FrameReader {
  readonly #take: (frame: Frame) => void;
  readonly #most: number;
  readonly #head = Buffer.alloc(FRAME_HEAD);
  #note = Buffer.alloc(0);
  #body = Buffer.alloc(0);
  /** What is being filled, and how far. */
  #stage: 'head' | 'note' | 'body' = 'head';
  #filled = 0;
  #bodyBytes = 0;

  /** `take` gets each frame once it is whole. Bodies of more than `most` bytes are refused. */
  constructor(take: (frame: Frame) => void, most = constants.MAX_LENGTH) {
    this.#take = take;
    this.#most = most;
  }

  /** Throws WORKER_CRASHED where what came is no frame; nothing can be read any more then. */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.byteLength) {
      if (this.#stage === 'head') {
        at += this.#fill(this.#head, chunk, at);
        if (this.#filled === FRAME_HEAD) this.#begin();
      } else if (this.#stage === 'note') {
        at += this.#fill(this.#note, chunk, at);
        if (this.#filled < this.#note.byteLength) continue;
        this.#next('body');
        if (this.#bodyBytes === 0) this.#end(new Uint8Array(0));
        else if (liesWhole(chunk, at, this.#bodyBytes)) {
          const from = at;
          at += this.#bodyBytes;
          this.#end(chunk.subarray(from, at));
        } else this.#body = Buffer.allocUnsafeSlow(this.#bodyBytes);
      } else {
        at += this.#fill(this.#body, chunk, at);
        if (this.#filled === this.#bodyBytes) this.#end(this.#body);
      }
    }
  }

  #fill(target: Buffer, chunk: Buffer, at: number): number {
    const bytes = Math.min(target.byteLength - this.#filled, chunk.byteLength - at);
    chunk.copy(target, this.#filled, at, at + bytes);
    this.#filled += bytes;
    return bytes;
  }

  #begin(): void {
    const { note, body } = readHead(this.#head, this.#most);
    this.#bodyBytes = body;
    this.#note = Buffer.allocUnsafe(note);
    this.#next('note');
  }

  #next(stage: 'head' | 'note' | 'body'): void {
    this.#stage = stage;
    this.#filled = 0;
  }

  #end(body: Uint8Array): void {
    const note = readNote(this.#note);
    this.#body = Buffer.alloc(0);
    this.#next('head');
    this.#take({ note, body });
  }
}

/** Whether a body can be read where it lies: all there, and aligned for any number. */
function liesWhole(chunk: Buffer, at: number, bytes: number): boolean {
  return at + bytes <= chunk.byteLength && (chunk.byteOffset + at) % 8 === 0;
}
