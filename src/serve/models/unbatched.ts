import { fail } from '../../base/index.ts';
import { checkOutputs, type Feeds, type Port } from '../../run/index.ts';
import { batchAxes } from '../../staged/index.ts';
import type { Answered, Ask, Engine, Served, ServedState, Ticket } from '../ports.ts';
import { Feeding } from './feeding.ts';

export interface UnbatchedOptions {
  readonly name: string;
  readonly version: string;
  /** ms that a request without a deadline has. Default 1000. */
  readonly goalMs?: number;
  /** Requests that may wait or be computed at once; more are refused. Default 256. */
  readonly mostWaiting?: number;
}

/** Each request is a run of its own, in the order in which they come: for models whose requests cannot be put together. */
export class Unbatched implements Served {
  readonly name: string;
  readonly version: string;
  readonly platform = 'onnxruntime_onnx';
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly sampleAxis: Readonly<Record<string, number | undefined>>;
  readonly metadata: ReadonlyMap<string, string>;
  readonly #engine: Engine;
  readonly #goalMs: number;
  readonly #most: number;
  #taken = 0;
  #meanMs = 0;
  #seen = 0;

  constructor(engine: Engine, { name, version, goalMs = 1000, mostWaiting = 256 }: UnbatchedOptions) {
    this.name = name;
    this.version = version;
    this.inputs = engine.inputs;
    this.outputs = engine.outputs;
    this.metadata = engine.metadata;
    this.sampleAxis = batchAxes(engine.inputs).axes;
    this.#engine = engine;
    this.#goalMs = goalMs;
    this.#most = mostWaiting;
  }

  state(): ServedState {
    const high = this.#meanMs;
    return {
      ...{ ready: true, instances: this.#engine.lanes, goalMs: this.#goalMs, maxBatch: 1 },
      queued: Math.max(0, this.#taken - this.#engine.lanes),
      inFlight: Math.min(this.#taken, this.#engine.lanes),
      curve: this.#seen === 0 ? [] : [{ batch: 1, mean: this.#meanMs, high, seen: this.#seen }],
    };
  }

  take(ask: Ask): Ticket {
    const arrival = performance.now();
    const deadline = ask.deadline ?? arrival + this.#goalMs;
    const wait = (this.#taken / this.#engine.lanes) * this.#meanMs;
    if (this.#taken >= this.#most || arrival + wait > deadline) {
      throw fail('OVERLOADED', `${this.#taken} requests are before this one`, {
        retryAfterMs: Math.ceil(wait),
      });
    }
    checkOutputs(this.outputs, ask.outputs);
    const feeds = new Feeding(this.inputs, ask);
    this.#taken++;
    let open = true;
    const give = () => {
      if (open) this.#taken--;
      open = false;
    };
    return {
      bytesOf: (input) => feeds.bytesOf(input),
      write: (input, at, bytes) => feeds.write(input, at, bytes),
      give: (input, tensor) => feeds.give(input, tensor),
      submit: async () => {
        try {
          return await this.#compute(feeds.whole(), ask, arrival, deadline);
        } finally {
          give();
        }
      },
      cancel: give,
    };
  }

  async #compute(feeds: Feeds, ask: Ask, arrival: number, deadline: number): Promise<Answered> {
    if (performance.now() > deadline) throw fail('DEADLINE_MISSED', 'it came too late to begin');
    ask.signal?.throwIfAborted();
    const { outputs, signal } = ask;
    const { fetches, computeMs, cpuSeconds, retried } = await this.#engine.run(feeds, { outputs, signal });
    const queueMs = Math.max(0, performance.now() - arrival - computeMs);
    this.#seen++;
    this.#meanMs += (computeMs - this.#meanMs) / Math.min(this.#seen, 50);
    const samples = samplesOf(feeds, this.sampleAxis);
    const cost = { queueMs, computeMs, cpuSeconds, batch: samples, samples };
    return { fetches, meter: { version: this.version, ...cost, ...(retried && { retried }) } };
  }
}

function samplesOf(feeds: Feeds, axes: Readonly<Record<string, number | undefined>>): number {
  for (const [name, axis] of Object.entries(axes))
    if (axis !== undefined) return feeds[name]?.dims[axis] ?? 1;
  return 1;
}
