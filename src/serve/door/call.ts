import { fail } from '../../base/index.ts';
import type { DType } from '../../graph/index.ts';
import { type Asking, datatypeOf, type NamedTensor } from '../../protocol/index.ts';
import { checkOutputs } from '../../run/index.ts';
import type { Answered, Happened, Meter, Served, Ticket } from '../ports.ts';
import type { Door, Guest } from './door.ts';

/** An input, as the client announces it. */
export interface Announced {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** Who asks for which model. */
export interface Asked {
  readonly protocol: Happened['protocol'];
  readonly guest: Guest;
  readonly model: string;
  /** Undefined: the server chooses. */
  readonly version?: string;
  /** ms on the clock of performance.now() when the request came. */
  readonly arrival: number;
  /** W3C trace context. */
  readonly traceparent?: string;
}

/** What an inference asks for beside the elements of its tensors. */
export interface Wishes {
  readonly inputs: readonly Announced[];
  /** Default: all. */
  readonly outputs?: readonly string[];
  readonly asking: Asking;
  /** ms from the arrival, where the protocol has a deadline of its own. */
  readonly timeoutMs?: number;
}

/** How it ended. */
export interface Outcome {
  readonly status: number;
  readonly code?: string;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly id?: string;
}

/** Names from a URL may be as long as it. */
const LONGEST_NAME = 200;

/**
 * One inference, from the model that it asks for to its end. However it ends, `end` must be called: it gives back the place in the batch
 * and the version of the model, and tells what has happened.
 */
export class Call {
  readonly #door: Door;
  readonly #asked: Asked;
  readonly #startedAt: number;
  readonly #gone = new AbortController();
  #lease: { readonly served: Served; release(): void } | undefined;
  #ticket: Ticket | undefined;
  #meter: Meter | undefined;

  constructor(door: Door, asked: Asked) {
    this.#door = door;
    this.#asked = asked;
    this.#startedAt = Date.now() - Math.max(0, performance.now() - asked.arrival);
  }

  /** Who answers. The first use leases it. Throws MODEL_UNKNOWN, MODEL_NOT_READY. */
  get served(): Served {
    this.#lease ??= this.#door.models.lease(this.#asked.model, this.#asked.version);
    return this.#lease.served;
  }

  /**
   * A place in a batch, before the tensors are there. Throws REQUEST_INVALID, FEED_MISMATCH, KEY_LIMITED, OVERLOADED, DEADLINE_MISSED,
   * MODEL_NOT_READY.
   */
  take({ inputs, outputs, asking, timeoutMs }: Wishes): Ticket {
    const { served } = this;
    const { guest, arrival, traceparent } = this.#asked;
    checkInputs(served, inputs);
    const wanted = outputs === undefined ? undefined : checkOutputs(served.outputs, outputs);
    const shapes = Object.fromEntries(inputs.map(({ name, shape }) => [name, shape]));
    guest.charge(samplesOf(served, shapes));
    const { priority, timeoutUs, sequence } = asking;
    const ends = [timeoutMs, timeoutUs && timeoutUs / 1000].filter((ms) => ms !== undefined);
    this.#ticket = served.take({
      shapes,
      outputs: wanted,
      ...(ends.length > 0 && { deadline: arrival + Math.min(...ends) }),
      ...(priority !== undefined && { priority }),
      ...(sequence !== undefined && { sequence: { ...sequence, id: ownId(guest.key, sequence.id) } }),
      signal: this.#gone.signal,
      ...(guest.key !== undefined && { key: guest.key }),
      ...(traceparent !== undefined && { traceparent }),
    });
    return this.#ticket;
  }

  /** The place that was taken. */
  get ticket(): Ticket {
    if (this.#ticket === undefined) throw fail('INTERNAL', 'a place in a batch was used before it was taken');
    return this.#ticket;
  }

  /** Gives whole tensors to the ticket that was taken. Throws FEED_MISMATCH. */
  give(tensors: readonly NamedTensor[]): void {
    for (const { name, tensor } of tensors) this.ticket.give(name, tensor);
  }

  /** Rejects as Ticket.submit. */
  async submit(): Promise<Answered> {
    const answered = await this.ticket.submit();
    this.#meter = answered.meter;
    return answered;
  }

  /** Headers of the answer that say what it has cost. */
  costs(): Record<string, string> {
    return this.#meter === undefined ? {} : this.#door.observer.headers(this.served.name, this.#meter);
  }

  /** The client does not wait any more. */
  gone(): void {
    this.#gone.abort(fail('CANCELLED', 'the client has gone'));
  }

  /** All is over. */
  end(outcome: Outcome): void {
    this.#ticket?.cancel();
    this.#lease?.release();
    const { protocol, guest, arrival, traceparent, model, version } = this.#asked;
    this.#door.happened({
      protocol,
      model: (this.#lease?.served.name ?? model).slice(0, LONGEST_NAME),
      version: this.#meter?.version ?? this.#lease?.served.version ?? version?.slice(0, LONGEST_NAME) ?? '',
      key: guest.key,
      totalMs: performance.now() - arrival,
      startedAt: this.#startedAt,
      ...outcome,
      ...(this.#meter !== undefined && { meter: this.#meter }),
      ...(traceparent !== undefined && { traceparent }),
    });
  }
}

/** Throws FEED_MISMATCH: names and dtypes must be those of the model. Shapes are looked at where the batch is made. */
function checkInputs({ name: model, inputs }: Served, announced: readonly Announced[]): void {
  for (const { name, dtype } of announced) {
    const port = inputs.find((one) => one.name === name);
    if (port === undefined) {
      const known = inputs.map((one) => one.name).join(', ');
      throw fail('FEED_MISMATCH', `${model} has no input "${name.slice(0, 100)}"; it has ${known}`);
    }
    if (port.dtype !== dtype) {
      const [wanted, given] = [datatypeOf(port.dtype) ?? port.dtype, datatypeOf(dtype)];
      throw fail('FEED_MISMATCH', `input ${name} of ${model} is ${wanted}, and was given as ${given}`);
    }
  }
  const missing = inputs.find((port) => !announced.some(({ name }) => name === port.name));
  if (missing !== undefined) throw fail('FEED_MISMATCH', `input ${missing.name} of ${model} is missing`);
}

/** Streams of one key are out of reach of the others, whatever ids they choose. */
function ownId(key: string | undefined, id: string): string {
  return key === undefined ? id : `${JSON.stringify(key)} ${id}`;
}

/** Samples of a request: along the axis of the samples of the first input that has one. */
function samplesOf(
  { inputs, sampleAxis }: Served,
  shapes: Readonly<Record<string, readonly number[]>>,
): number {
  for (const { name } of inputs) {
    const axis = sampleAxis[name];
    if (axis !== undefined) return shapes[name]?.[axis] ?? 1;
  }
  return 1;
}
