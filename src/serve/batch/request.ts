import { fail, type ModicumError } from '../../base/index.ts';
import { byteLengthOf, sizeOf, Tensor } from '../../graph/index.ts';
import type { Fetches } from '../../run/index.ts';
import type { Answered, Ask, Meter, Ticket } from '../ports.ts';
import { concatenate, type OutputAxes } from './divide.ts';
import { Filled } from './filled.ts';
import type { Bucket, InputShape } from './shapes.ts';
import type { Place } from './slabs.ts';
import type { Group, Work } from './work.ts';

/** The samples of a request that go into one batch: all of them, unless it is larger than a batch may be. */
export interface Part extends Work {
  readonly request: Request;
  /** Its first sample in the request. */
  readonly first: number;
  readonly place: Place | undefined;
}

/** What one part's batch gave. */
export interface PartAnswer {
  readonly fetches: Fetches;
  readonly meter: Meter;
}

export interface RequestFacts {
  readonly ask: Ask;
  readonly inputs: readonly InputShape[];
  readonly samples: number;
  readonly bucket: Bucket;
  readonly arrived: number;
  readonly deadline: number;
  readonly priority: number;
  readonly outputAxes: OutputAxes;
}

/** What a request asks of its batcher. */
export interface Owner {
  /** All bytes are there. Returns why it is too late. */
  ready(request: Request): ModicumError | undefined;
  /** It is settled or given up: its places are free. */
  left(request: Request): void;
}

/** One request from its place to its answer. */
export class Request implements Ticket {
  readonly facts: RequestFacts;
  readonly parts: readonly Part[];
  readonly #owner: Owner;
  readonly #filled = new Map<string, Filled>();
  /** Whole inputs that are in no slab. */
  readonly #own = new Map<string, Tensor>();
  readonly #bytes = new Map<string, Uint8Array>();
  readonly #answers: (PartAnswer | undefined)[];
  #state: 'filling' | 'waiting' | 'settled' = 'filling';
  #resolve: ((answered: Answered) => void) | undefined;
  #reject: ((cause: unknown) => void) | undefined;

  /** Places: one for each part; undefined: no slab can hold its inputs. */
  constructor(
    facts: RequestFacts,
    sizes: readonly number[],
    places: readonly (Place | undefined)[],
    owner: Owner,
  ) {
    this.facts = facts;
    this.#owner = owner;
    const { arrived, deadline, priority, bucket, samples, inputs } = facts;
    const bytes = inputs.reduce((sum, input) => sum + (input.bytes ?? 0), 0);
    const alone: Group = { curve: bucket.group.curve, maxBatch: 1 };
    let first = 0;
    this.parts = sizes.map((size, i) => {
      const place = places[i];
      const group = place === undefined ? alone : bucket.group;
      const share = (bytes * size) / samples;
      const part: Part = {
        ...{ request: this, samples: size, first, place, group },
        ...{ arrived, deadline, priority, bytes: share },
      };
      first += size;
      return part;
    });
    this.#answers = sizes.map(() => undefined);
  }

  get settled(): boolean {
    return this.#state === 'settled';
  }

  bytesOf(input: string): number | undefined {
    return this.#input(input).bytes;
  }

  write(input: string, at: number, bytes: Uint8Array): void {
    const { bytes: size, dims, axis } = this.#input(input);
    if (this.#state !== 'filling')
      throw fail('FEED_MISMATCH', `input ${input} came after the request was sent`);
    if (size === undefined || at < 0 || at + bytes.byteLength > size) {
      throw fail('FEED_MISMATCH', `input ${input} has ${size ?? 'no'} bytes, not ${at + bytes.byteLength}`, {
        input,
      });
    }
    const filled = this.#filled.get(input) ?? new Filled();
    this.#filled.set(input, filled);
    filled.add(at, at + bytes.byteLength);
    if (!this.#inSlab(input)) {
      const own = this.#bytes.get(input) ?? new Uint8Array(size);
      this.#bytes.set(input, own);
      own.set(bytes, at);
      return;
    }
    const width = size / dims[axis!]!;
    for (const { place, first, samples } of this.parts) {
      const from = Math.max(at, first * width);
      const to = Math.min(at + bytes.byteLength, (first + samples) * width);
      if (from >= to) continue;
      this.facts.bucket.slabs.write(place!, input, from - first * width, bytes.subarray(from - at, to - at));
    }
  }

  give(input: string, tensor: Tensor): void {
    const { dtype, dims } = this.#input(input);
    if (tensor.dtype !== dtype || `${tensor.dims}` !== `${dims}`) {
      const found = `${tensor.dtype}[${tensor.dims}]`;
      throw fail('FEED_MISMATCH', `input ${input} was announced as ${dtype}[${dims}] and is ${found}`, {
        input,
      });
    }
    if (this.#inSlab(input)) this.write(input, 0, tensor.bytes());
    else this.#own.set(input, tensor);
  }

  async submit(): Promise<Answered> {
    if (this.#state !== 'filling') throw fail('FEED_MISMATCH', 'it was sent or given up before');
    try {
      for (const input of this.facts.inputs) this.#complete(input);
      if (this.facts.ask.signal?.aborted) throw gone();
    } catch (cause) {
      this.cancel();
      throw cause;
    }
    const answer = new Promise<Answered>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#state = 'waiting';
    this.facts.ask.signal?.addEventListener('abort', this.#onAbort, { once: true });
    const refused = this.#owner.ready(this);
    if (refused !== undefined) this.fail(refused);
    return answer;
  }

  cancel(): void {
    if (this.#state !== 'filling') return;
    this.#settle();
  }

  /** An input, or the samples of it that a part has. */
  tensorOf({ name, dtype, dims, axis }: InputShape, part: Part): Tensor {
    const own =
      this.#own.get(name) ?? Tensor.ofBytes(dtype, dims, this.#bytes.get(name) ?? new Uint8Array(0));
    if (axis === undefined || part.samples === dims[axis]) return own;
    const width = sizeOf(dims.slice(axis + 1));
    if (dtype === 'string') {
      return Tensor.ofStrings(
        dims.with(axis, part.samples),
        own.strings().slice(part.first * width, (part.first + part.samples) * width),
      );
    }
    const row = byteLengthOf(dtype, width);
    const bytes = own.bytes().subarray(part.first * row, (part.first + part.samples) * row);
    return Tensor.ofBytes(dtype, dims.with(axis, part.samples), bytes);
  }

  /** A part was computed. The last settles the request. */
  answer(part: Part, answer: PartAnswer): void {
    if (this.#state !== 'waiting') return;
    this.#answers[this.parts.indexOf(part)] = answer;
    const answers = this.#answers.flatMap((one) => one ?? []);
    if (answers.length < this.parts.length) return;
    this.#settle();
    const fetches: Fetches = {};
    for (const [name, tensor] of Object.entries(answers[0]!.fetches)) {
      const axis = this.facts.outputAxes.get(name);
      fetches[name] =
        axis === undefined
          ? tensor
          : concatenate(
              answers.map((one) => one.fetches[name]!),
              axis,
            );
    }
    this.#resolve!({ fetches, meter: joinMeters(answers.map(({ meter }) => meter)) });
  }

  /** Settles it with an error. */
  fail(cause: unknown): void {
    if (this.#state !== 'waiting') return;
    this.#settle();
    this.#reject!(cause);
  }

  #onAbort = (): void => this.fail(gone());

  #settle(): void {
    this.#state = 'settled';
    this.facts.ask.signal?.removeEventListener('abort', this.#onAbort);
    this.#owner.left(this);
  }

  #inSlab(input: string): boolean {
    return this.parts[0]!.place !== undefined && this.facts.bucket.inSlabs.has(input);
  }

  #input(name: string): InputShape {
    const input = this.facts.inputs.find((one) => one.name === name);
    if (input === undefined) throw fail('FEED_MISMATCH', `there is no input "${name}"`, { input: name });
    return input;
  }

  #complete({ name, bytes }: InputShape): void {
    if (this.#own.has(name) || bytes === 0) return;
    const whole = this.#filled.get(name)?.whole ?? 0;
    if (bytes !== undefined && whole === bytes) return;
    const why = bytes === undefined ? 'was not given' : `has ${whole} of ${bytes} bytes`;
    throw fail('FEED_MISMATCH', `input ${name} ${why}`, { input: name });
  }
}

const gone = () => fail('CANCELLED', 'the client is gone');

/** Parts that were computed one beside or after the other. */
function joinMeters(meters: readonly Meter[]): Meter {
  const first = meters[0]!;
  if (meters.length === 1) return first;
  const sum = (of: (meter: Meter) => number) => meters.reduce((total, meter) => total + of(meter), 0);
  const exits = meters.flatMap(({ exit }) => exit ?? []);
  return {
    version: first.version,
    queueMs: first.queueMs,
    computeMs: sum(({ computeMs }) => computeMs),
    cpuSeconds: sum(({ cpuSeconds }) => cpuSeconds),
    batch: Math.max(...meters.map(({ batch }) => batch)),
    samples: sum(({ samples }) => samples),
    ...(exits.length > 0 && { exit: Math.max(...exits) }),
    ...(meters.some(({ retried }) => retried) && { retried: true }),
  };
}
