import type { BufferPool } from './buffers.ts';

/** An input whose samples lie one after the other. */
export interface RowInput {
  readonly name: string;
  readonly rowBytes: number;
}

/** Rows of a slab that are somebody's. They may be moved: the place knows where they are. */
export interface Place {
  slab: Slab;
  row: number;
  readonly samples: number;
  /** Bytes from its start that may be written, by input: no more need be moved. */
  readonly written: Map<string, number>;
}

interface Slab {
  readonly buffers: ReadonlyMap<string, ArrayBuffer>;
  readonly places: Set<Place>;
  /** Its first rows are computed on. */
  busy: boolean;
}

/** A batch whose rows are the first of one slab. */
export interface Closed {
  readonly samples: number;
  /** All rows of an input. */
  rows(input: string): Uint8Array;
  /** Its places are free again. */
  release(): void;
}

/**
 * The inputs of one shape, in slabs of `capacity` rows: bytes go to their row as they arrive, and a batch is a view of the first rows of a
 * slab. A batch is closed around whoever is not in it, such as one who still sends: that one is moved away, and the last rows of the batch to
 * where it was.
 */
export class Slabs {
  readonly #pool: BufferPool;
  readonly #inputs: readonly RowInput[];
  readonly #capacity: number;
  readonly #slabs: Slab[] = [];

  constructor(pool: BufferPool, inputs: readonly RowInput[], capacity: number) {
    this.#pool = pool;
    this.#inputs = inputs;
    this.#capacity = capacity;
  }

  /** Slabs in use. */
  get count(): number {
    return this.#slabs.length;
  }

  /** Rows for so many samples, one after the other; undefined: the memory is full. */
  take(samples: number): Place | undefined {
    for (const slab of this.#slabs) {
      if (slab.busy) continue;
      const row = this.#run(slab, samples, 0);
      if (row !== undefined) return place(slab, row, samples);
    }
    const slab = this.#open(false);
    return slab && place(slab, 0, samples);
  }

  write(at: Place, input: string, offset: number, bytes: Uint8Array): void {
    new Uint8Array(at.slab.buffers.get(input)!).set(bytes, at.row * this.#rowBytes(input) + offset);
    at.written.set(input, Math.max(at.written.get(input) ?? 0, offset + bytes.byteLength));
  }

  /** The bytes of a place. */
  view(at: Place, input: string): Uint8Array {
    const width = this.#rowBytes(input);
    return new Uint8Array(at.slab.buffers.get(input)!, at.row * width, at.samples * width);
  }

  release(at: Place): void {
    at.slab.places.delete(at);
    this.#closeIfEmpty(at.slab);
  }

  /** Makes the places the first rows of one slab, in whatever order. No more than `capacity` samples. */
  close(places: readonly Place[]): Closed {
    const samples = places.reduce((sum, { samples }) => sum + samples, 0);
    const host = this.#host(places);
    const chosen = new Set(places);
    for (const other of [...host.places]) {
      if (!chosen.has(other) && other.row < samples) this.#moveAway(other, samples);
    }
    const movers = places.filter(({ slab, row, samples: own }) => slab !== host || row + own > samples);
    // The largest first: they find the fewest gaps.
    movers.sort((a, b) => b.samples - a.samples);
    let slab = host;
    for (const mover of movers) {
      const row = this.#run(slab, mover.samples, 0, samples, mover);
      if (row !== undefined) {
        this.#move(mover, slab, row);
        continue;
      }
      // Gaps too small for a request of several samples: all in order, in another slab.
      slab = this.#open(true)!;
      let next = 0;
      for (const one of places) {
        this.#move(one, slab, next);
        next += one.samples;
      }
      break;
    }
    slab.busy = true;
    return {
      samples,
      rows: (input) => new Uint8Array(slab.buffers.get(input)!, 0, samples * this.#rowBytes(input)),
      release: () => {
        slab.busy = false;
        for (const one of places) slab.places.delete(one);
        this.#closeIfEmpty(slab);
      },
    };
  }

  /** The slab that holds most of it already, among those that are not computed on. */
  #host(places: readonly Place[]): Slab {
    const held = new Map<Slab, number>();
    for (const { slab, samples } of places) {
      if (!slab.busy) held.set(slab, (held.get(slab) ?? 0) + samples);
    }
    let best: Slab | undefined;
    for (const [slab, samples] of held) if (best === undefined || samples > held.get(best)!) best = slab;
    return best ?? this.#open(true)!;
  }

  #moveAway(at: Place, from: number): void {
    const row = this.#run(at.slab, at.samples, from);
    if (row !== undefined) {
      this.#move(at, at.slab, row);
      return;
    }
    for (const slab of this.#slabs) {
      if (slab.busy || slab === at.slab) continue;
      const free = this.#run(slab, at.samples, 0);
      if (free === undefined) continue;
      this.#move(at, slab, free);
      return;
    }
    this.#move(at, this.#open(true)!, 0);
  }

  #move(at: Place, slab: Slab, row: number): void {
    if (at.slab === slab && at.row === row) return;
    for (const { name, rowBytes } of this.#inputs) {
      const written = at.written.get(name) ?? 0;
      if (written === 0) continue;
      const bytes = new Uint8Array(at.slab.buffers.get(name)!, at.row * rowBytes, written);
      new Uint8Array(slab.buffers.get(name)!).set(bytes, row * rowBytes);
    }
    const { slab: before } = at;
    before.places.delete(at);
    at.slab = slab;
    at.row = row;
    slab.places.add(at);
    this.#closeIfEmpty(before);
  }

  /** The first of so many free rows in a row, from `from` to before `to`. */
  #run(slab: Slab, samples: number, from: number, to = this.#capacity, except?: Place): number | undefined {
    const taken = [...slab.places].filter((one) => one !== except).sort((a, b) => a.row - b.row);
    let row = from;
    for (const one of taken) {
      if (one.row + one.samples <= row) continue;
      if (one.row - row >= samples) break;
      row = one.row + one.samples;
    }
    return row + samples <= to ? row : undefined;
  }

  #rowBytes(input: string): number {
    return this.#inputs.find(({ name }) => name === input)!.rowBytes;
  }

  #open(must: boolean): Slab | undefined {
    const buffers = new Map<string, ArrayBuffer>();
    for (const { name, rowBytes } of this.#inputs) {
      const buffer = this.#pool.take(rowBytes * this.#capacity, must);
      if (buffer === undefined) {
        for (const taken of buffers.values()) this.#pool.give(taken);
        return undefined;
      }
      buffers.set(name, buffer);
    }
    const slab: Slab = { buffers, places: new Set(), busy: false };
    this.#slabs.push(slab);
    return slab;
  }

  #closeIfEmpty(slab: Slab): void {
    if (slab.busy || slab.places.size > 0) return;
    const at = this.#slabs.indexOf(slab);
    if (at < 0) return;
    this.#slabs.splice(at, 1);
    for (const buffer of slab.buffers.values()) this.#pool.give(buffer);
  }
}

function place(slab: Slab, row: number, samples: number): Place {
  const made: Place = { slab, row, samples, written: new Map() };
  slab.places.add(made);
  return made;
}
