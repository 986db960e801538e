import { createHash } from 'node:crypto';
import { Tensor } from '../../graph/index.ts';
import type { Feeds, Fetches, Port } from '../../run/index.ts';
import type { Answered, Ask, Served, ServedState, Ticket } from '../ports.ts';
import { Feeding } from './feeding.ts';

/** Bytes that an entry takes beside its tensors, roughly. */
const OVERHEAD = 512;

interface Kept {
  readonly key: string;
  readonly feeds: Feeds;
  readonly outputs: string;
  readonly fetches: Fetches;
  readonly samples: number;
  readonly bytes: number;
}

/**
 * Answers of before, for requests that are the same to the byte: found by a hash, and compared byte by byte, so that no request ever gets
 * the answer of another. Bounded by bytes; the longest unused goes first. One cache may serve many models.
 */
export class ResponseCache {
  readonly #most: number;
  /** The longest unused first. */
  readonly #kept = new Map<string, Kept>();
  bytes = 0;
  hits = 0;
  misses = 0;

  /** `most`: bytes of inputs and outputs that are kept. */
  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#kept.size;
  }

  find(key: string, feeds: Feeds, outputs: string): Kept | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined || kept.outputs !== outputs || !same(kept.feeds, feeds)) {
      this.misses++;
      return undefined;
    }
    this.hits++;
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    return kept;
  }

  keep(key: string, feeds: Feeds, outputs: string, fetches: Fetches, samples: number): void {
    const bytes = OVERHEAD + bytesOf(feeds) + bytesOf(fetches);
    this.#drop(this.#kept.get(key));
    // One that would sweep out all others is not worth it.
    if (bytes > this.#most / 8) return;
    // Out of the memory of a batch or a socket, which may be larger than what is counted.
    this.#kept.set(key, { key, feeds: copyOf(feeds), outputs, fetches: copyOf(fetches), samples, bytes });
    this.bytes += bytes;
    for (const oldest of this.#kept.values()) {
      if (this.bytes <= this.#most) break;
      this.#drop(oldest);
    }
  }

  #drop(kept: Kept | undefined): void {
    if (kept === undefined) return;
    this.#kept.delete(kept.key);
    this.bytes -= kept.bytes;
  }
}

/** A model whose answers are kept: only what was not asked before is computed. Streams are not kept. Off unless somebody puts it there. */
export class CachedServed implements Served {
  readonly name: string;
  readonly version: string;
  readonly platform: string;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly sampleAxis: Readonly<Record<string, number | undefined>>;
  readonly metadata: ReadonlyMap<string, string>;
  readonly #inner: Served;
  readonly #cache: ResponseCache;
  /** Versions of other content may bear the same name after a reload. */
  readonly #generation = ++generations;

  constructor(inner: Served, cache: ResponseCache) {
    this.name = inner.name;
    this.version = inner.version;
    this.platform = inner.platform;
    this.inputs = inner.inputs;
    this.outputs = inner.outputs;
    this.sampleAxis = inner.sampleAxis;
    this.metadata = inner.metadata;
    this.#inner = inner;
    this.#cache = cache;
  }

  state(): ServedState {
    return this.#inner.state();
  }

  take(ask: Ask): Ticket {
    if (ask.sequence !== undefined) return this.#inner.take(ask);
    const arrival = performance.now();
    const feeding = new Feeding(this.inputs, ask);
    const deadline = ask.deadline ?? arrival + this.#inner.state().goalMs;
    return {
      bytesOf: (input) => feeding.bytesOf(input),
      write: (input, at, bytes) => feeding.write(input, at, bytes),
      give: (input, tensor) => feeding.give(input, tensor),
      submit: () => this.#answer(feeding, { ...ask, deadline }, arrival),
      cancel() {},
    };
  }

  async #answer(feeding: Feeding, ask: Ask, arrival: number): Promise<Answered> {
    const feeds = feeding.whole();
    const outputs = JSON.stringify([this.name, this.version, this.#generation, ask.outputs ?? null]);
    const key = keyOf(outputs, feeds);
    const kept = this.#cache.find(key, feeds, outputs);
    if (kept !== undefined) {
      const { fetches, samples } = kept;
      const cost = {
        queueMs: performance.now() - arrival,
        computeMs: 0,
        cpuSeconds: 0,
        batch: samples,
        samples,
      };
      return { fetches: { ...fetches }, meter: { version: this.version, ...cost, cached: true } };
    }
    const ticket = this.#inner.take({ ...ask, shapes: shapesOf(feeds) });
    try {
      for (const [name, tensor] of Object.entries(feeds)) ticket.give(name, tensor);
    } catch (cause) {
      ticket.cancel();
      throw cause;
    }
    const answered = await ticket.submit();
    this.#cache.keep(key, feeds, outputs, answered.fetches, answered.meter.samples);
    return answered;
  }
}

let generations = 0;

const shapesOf = (feeds: Feeds) =>
  Object.fromEntries(Object.entries(feeds).map(([name, { dims }]) => [name, dims]));

function keyOf(outputs: string, feeds: Feeds): string {
  const hash = createHash('sha256').update(outputs);
  for (const name of Object.keys(feeds).sort()) {
    const tensor = feeds[name]!;
    hash.update(JSON.stringify([name, tensor.dtype, tensor.dims])).update(bytesIn(tensor));
  }
  return hash.digest('base64');
}

function same(a: Feeds, b: Feeds): boolean {
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  return names.every((name) => {
    const [one, other] = [a[name]!, b[name]];
    if (other === undefined || one.dtype !== other.dtype || `${one.dims}` !== `${other.dims}`) return false;
    return Buffer.compare(bytesIn(one), bytesIn(other)) === 0;
  });
}

const bytesIn = (tensor: Tensor): Uint8Array =>
  tensor.dtype === 'string' ? Buffer.from(JSON.stringify(tensor.strings())) : tensor.bytes();

const bytesOf = (tensors: Feeds): number =>
  Object.values(tensors).reduce((sum, tensor) => sum + bytesIn(tensor).byteLength, 0);

function copyOf(tensors: Feeds): Fetches {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => [
      name,
      tensor.dtype === 'string'
        ? Tensor.ofStrings(tensor.dims, [...tensor.strings()])
        : Tensor.ofBytes(tensor.dtype, tensor.dims, new Uint8Array(tensor.bytes())),
    ]),
  );
}
