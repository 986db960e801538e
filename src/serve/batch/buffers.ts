const LEAST = 4096;

/** Memory that is used again and again, so that no batch costs fresh pages. Never more than a number of bytes. */
export class BufferPool {
  readonly #limit: number;
  readonly #free = new Map<number, ArrayBuffer[]>();
  #held = 0;
  #lent = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes of all buffers, lent or not. */
  get held(): number {
    return this.#held;
  }

  get lent(): number {
    return this.#lent;
  }

  /** A buffer of at least so many bytes, with whatever it held before; undefined: there is no room. `must`: over the limit if need be. */
  take(bytes: number, must = false): ArrayBuffer | undefined {
    const size = sizeFor(bytes);
    let buffer = this.#free.get(size)?.pop();
    if (buffer === undefined) {
      if (this.#held + size > this.#limit) this.#dropFree(this.#held + size - this.#limit);
      if (this.#held + size > this.#limit && !must) return undefined;
      buffer = new ArrayBuffer(size);
      this.#held += size;
    }
    this.#lent += size;
    return buffer;
  }

  give(buffer: ArrayBuffer): void {
    const size = buffer.byteLength;
    this.#lent -= size;
    if (this.#held > this.#limit) {
      this.#held -= size;
      return;
    }
    const free = this.#free.get(size) ?? [];
    free.push(buffer);
    this.#free.set(size, free);
  }

  #dropFree(bytes: number): void {
    let left = bytes;
    for (const [size, free] of this.#free) {
      while (left > 0 && free.pop() !== undefined) {
        left -= size;
        this.#held -= size;
      }
    }
  }
}

/** Powers of two and the halves between them: shapes that differ a little share buffers. */
function sizeFor(bytes: number): number {
  let size = LEAST;
  while (size < bytes) size *= 2;
  return size > LEAST && size * 0.75 >= bytes ? size * 0.75 : size;
}
