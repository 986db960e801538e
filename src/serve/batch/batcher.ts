import { fail, ModicumError } from '../../base/index.ts';
import { sizeOf, Tensor } from '../../graph/index.ts';
import { checkOutputs, type Feeds, type Port } from '../../run/index.ts';
import { EXIT_OUTPUT } from '../../staged/index.ts';
import type { Ask, Engine, EngineRun, Observer, Served, ServedState, Ticket } from '../ports.ts';
import { BufferPool } from './buffers.ts';
import { type Clock, REAL_CLOCK } from './clock.ts';
import { concatenate, divide, type OutputAxes, outputAxes } from './divide.ts';
import { capOf } from './form.ts';
import type { Preference } from './hold.ts';
import { type Owner, type Part, Request } from './request.ts';
import { Scheduler } from './scheduler.ts';
import { Shapes } from './shapes.ts';
import type { Closed, Place } from './slabs.ts';
import { warmUp } from './warm-up.ts';
import type { Refusal } from './work.ts';

export interface BatcherOptions {
  readonly name: string;
  readonly version: string;
  /** ms that requests have who name no deadline. Default 1000. */
  readonly goalMs?: number;
  /** Samples of a batch at most; it closes earlier where more would be no faster. Default 64. */
  readonly maxBatch?: number;
  /** Default latency. */
  readonly prefer?: Preference;
  /** Samples that wait at most. Default 4096. */
  readonly maxQueue?: number;
  /** Bytes of inputs that wait at most. Default 256 MiB. */
  readonly maxQueueBytes?: number;
  /** Bytes of the memory that batches are filled in. Default 256 MiB. */
  readonly slabBytes?: number;
  /** Priority of requests that name none; 1 is the most urgent. Default 2. */
  readonly defaultPriority?: number;
  /** ms of waiting that outweigh a step of priority. Default: the goal. */
  readonly agingMs?: number;
  readonly observer?: Pick<Observer, 'batch' | 'event'>;
  readonly clock?: Clock;
}

const LOWEST_PRIORITY = 255;

/** Batches the requests of one model over an engine, so that as many as can be are answered within their deadlines. */
export class Batcher implements Served, Owner {
  readonly name: string;
  readonly version: string;
  readonly platform = 'onnxruntime_onnx';
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly sampleAxis: Readonly<Record<string, number | undefined>>;
  readonly metadata: ReadonlyMap<string, string>;
  readonly #engine: Engine;
  readonly #options: BatcherOptions;
  readonly #goalMs: number;
  readonly #clock: Clock;
  readonly #pool: BufferPool;
  readonly #shapes: Shapes;
  readonly #outputAxes: OutputAxes;
  readonly #scheduler: Scheduler<Part>;
  /** Places that a batch is computed on: it frees them itself. */
  readonly #running = new Set<Place>();
  #closed = false;

  constructor(engine: Engine, options: BatcherOptions) {
    const {
      goalMs = 1000,
      maxBatch = 64,
      maxQueue = 4096,
      maxQueueBytes = 2 ** 28,
      prefer = 'latency',
    } = options;
    this.name = options.name;
    this.version = options.version;
    this.inputs = engine.inputs;
    this.outputs = engine.outputs;
    this.metadata = engine.metadata;
    this.#engine = engine;
    this.#options = options;
    this.#goalMs = goalMs;
    this.#clock = options.clock ?? REAL_CLOCK;
    this.#pool = new BufferPool(options.slabBytes ?? 2 ** 28);
    this.#shapes = new Shapes(engine.inputs, maxBatch, this.#pool);
    const { axes } = this.#shapes;
    this.sampleAxis = axes;
    this.#outputAxes = outputAxes(engine.inputs, engine.outputs, axes as Record<string, number>);
    this.#scheduler = new Scheduler<Part>(
      { lanes: engine.lanes, goalMs, maxQueue, maxQueueBytes, prefer, agingMs: options.agingMs },
      this.#clock,
      {
        run: (parts, lane) => void this.#run(parts, lane),
        missed: ({ request }) =>
          request.fail(fail('DEADLINE_MISSED', 'it waited until it was too late to begin')),
      },
    );
  }

  /** Measures batches of 1, 2, 4, ... on the engine, up to the most or to half the goal, so that the first requests are judged by what is known. Throws as the engine. */
  async warmUp(options: { readonly repeats?: number; readonly feeds?: Feeds } = {}): Promise<void> {
    await warmUp(this.#engine, this.#shapes, this.#outputAxes, { longestMs: this.#goalMs / 2, ...options });
  }

  /** Bytes of the memory of batches: held in all, and in use. */
  get memory(): { readonly held: number; readonly lent: number } {
    return { held: this.#pool.held, lent: this.#pool.lent };
  }

  state(): ServedState {
    const { curve } = this.#shapes;
    const { batchable, maxBatch } = this.#shapes;
    return {
      ready: true,
      queued: this.#scheduler.queued,
      inFlight: this.#scheduler.inFlight,
      instances: this.#engine.lanes,
      curve: curve?.points() ?? [],
      goalMs: this.#goalMs,
      maxBatch: batchable ? maxBatch : 1,
    };
  }

  take(ask: Ask): Ticket {
    if (this.#closed) throw closed();
    const arrived = this.#clock.now();
    checkOutputs(this.outputs, ask.outputs);
    const { inputs, samples } = this.#shapes.check(ask.shapes);
    const deadline = ask.deadline ?? arrived + this.#goalMs;
    if (deadline <= arrived) throw fail('DEADLINE_MISSED', 'its deadline was past when it came');
    const bucket = this.#shapes.bucket(inputs);
    const { group, slabs } = bucket;
    const sizes = this.#shapes.batchable ? sizesOf(samples, group.maxBatch, capOf(group)) : [samples];
    const places: (Place | undefined)[] = [];
    const full = (refusal: Refusal) => {
      for (const place of places) if (place !== undefined) slabs.release(place);
      return refused(refusal);
    };
    for (const size of sizes) {
      const place = this.#shapes.batchable ? slabs.take(size) : undefined;
      if (this.#shapes.batchable && place === undefined) {
        const why = `the memory of batches (${this.#pool.lent} bytes) is in use`;
        throw full({ code: 'OVERLOADED', why, retryAfterMs: Math.ceil(this.#goalMs / 4) });
      }
      places.push(place);
    }
    const asked = ask.priority || (this.#options.defaultPriority ?? 2);
    const priority = Math.min(LOWEST_PRIORITY, Math.max(1, Math.round(asked)));
    const facts = { ask, inputs, samples, bucket, arrived, deadline, priority, outputAxes: this.#outputAxes };
    const request = new Request(facts, sizes, places, this);
    const refusal = this.#scheduler.reserve(request.parts);
    if (refusal !== undefined) throw full(refusal);
    bucket.users++;
    return request;
  }

  ready(request: Request): ModicumError | undefined {
    const refusal = this.#scheduler.ready(request.parts);
    return refusal && refused(refusal);
  }

  left({ parts, facts }: Request): void {
    facts.bucket.users--;
    for (const part of parts) {
      this.#scheduler.remove(part);
      if (part.place !== undefined && !this.#running.has(part.place)) facts.bucket.slabs.release(part.place);
    }
  }

  /** Whoever waits is told, and nobody is let in any more. The engine belongs to whoever opened it. */
  dispose(): void {
    this.#closed = true;
    for (const { request } of this.#scheduler.stop()) request.fail(closed());
  }

  async #run(parts: readonly Part[], lane: number): Promise<void> {
    const { bucket } = parts[0]!.request.facts;
    const places = parts.flatMap(({ place }) => place ?? []);
    for (const place of places) this.#running.add(place);
    const started = this.#clock.now();
    let closed: Closed | undefined;
    let learn = true;
    try {
      if (places.length > 0) closed = bucket.slabs.close(places);
      await this.#compute(parts, closed, started);
    } catch (cause) {
      learn = false;
      if (parts.length > 1 && cause instanceof ModicumError && cause.code === 'RUNTIME_FAILED') {
        if (cause.data.undivided === true) this.#shapes.batchable = false;
        await this.#oneByOne(parts, started);
      } else for (const { request } of parts) request.fail(cause);
    } finally {
      for (const place of places) this.#running.delete(place);
      closed?.release();
      this.#scheduler.done(lane, this.#clock.now() - started, learn);
    }
  }

  /** One bad request fails a whole batch: each is tried for itself, so that only the bad one fails. */
  async #oneByOne(parts: readonly Part[], started: number): Promise<void> {
    for (const part of parts) {
      if (part.request.settled) continue;
      if (this.#clock.now() > part.deadline) {
        part.request.fail(
          fail('DEADLINE_MISSED', 'another request failed its batch, and it was too late to begin anew'),
        );
        continue;
      }
      try {
        await this.#compute([part], undefined, started);
      } catch (cause) {
        part.request.fail(cause);
      }
    }
  }

  async #compute(parts: readonly Part[], closed: Closed | undefined, started: number): Promise<void> {
    const rows = [...parts].sort((a, b) => (a.place?.row ?? 0) - (b.place?.row ?? 0));
    const samples = rows.reduce((sum, part) => sum + part.samples, 0);
    const one = rows.length === 1 ? rows[0]!.request.facts.ask : undefined;
    const options: EngineRun = { outputs: outputsOf(rows, this.outputs), signal: one?.signal, samples };
    const computed = await this.#engine.run(feedsOf(rows, closed), options);
    const { fetches, computeMs, cpuSeconds, retried } = computed;
    const spans: { row: number; samples: number }[] = [];
    let row = 0;
    for (const part of rows) {
      spans.push({ row, samples: part.samples });
      row += part.samples;
    }
    const divided = divide(fetches, this.#outputAxes, samples, spans);
    let waited = 0;
    for (const [i, part] of rows.entries()) {
      const queueMs = started - part.arrived;
      waited += queueMs;
      const exit = exitOf(divided[i]![EXIT_OUTPUT]);
      const meter = {
        ...{ version: this.version, queueMs, computeMs, cpuSeconds: (cpuSeconds * part.samples) / samples },
        ...{ batch: samples, samples: part.samples, exit, ...(retried && { retried }) },
      };
      const { outputs } = part.request.facts.ask;
      const names = outputs ?? this.outputs.map(({ name }) => name);
      const own = Object.fromEntries(names.map((name) => [name, divided[i]![name]!]));
      part.request.answer(part, { fetches: own, meter });
    }
    this.#options.observer?.batch({
      ...{ model: this.name, version: this.version, size: samples },
      ...{ computeMs, cpuSeconds, queueMs: waited / rows.length },
    });
  }
}

const closed = () => fail('SESSION_CLOSED', 'the version has ended');

function refused({ code, why, retryAfterMs }: Refusal): ModicumError {
  return fail(code, why, { retryAfterMs });
}

/** Parts of a request of so many samples: whole where a batch can hold it, else of the size that is fastest. */
function sizesOf(samples: number, most: number, best: number): number[] {
  if (samples <= most) return [samples];
  const count = Math.ceil(samples / best);
  return Array.from(
    { length: count },
    (_, i) => Math.floor(((i + 1) * samples) / count) - Math.floor((i * samples) / count),
  );
}

/** All that somebody in the batch wants; undefined: all. Where samples left is always asked for. */
function outputsOf(parts: readonly Part[], outputs: readonly Port[]): string[] | undefined {
  const wanted = new Set<string>();
  for (const { request } of parts) {
    const { outputs: asked } = request.facts.ask;
    if (asked === undefined) return undefined;
    for (const name of asked) wanted.add(name);
  }
  if (outputs.some(({ name }) => name === EXIT_OUTPUT)) wanted.add(EXIT_OUTPUT);
  return [...wanted];
}

/** Parts come in the order of their rows. */
function feedsOf(parts: readonly Part[], closed: Closed | undefined): Feeds {
  const { inputs, bucket } = parts[0]!.request.facts;
  const samples = parts.reduce((sum, part) => sum + part.samples, 0);
  const feeds: Record<string, Tensor> = {};
  for (const input of inputs) {
    const { name, dtype, dims, axis } = input;
    const place = parts[0]!.place;
    if (place !== undefined && bucket.inSlabs.has(name)) {
      const bytes = closed?.rows(name) ?? bucket.slabs.view(place, name);
      feeds[name] = Tensor.ofBytes(dtype, dims.with(axis!, samples), bytes);
    } else {
      const own = parts.map((part) =>
        part.request.tensorOf(part.request.facts.inputs.find((one) => one.name === name)!, part),
      );
      feeds[name] = axis === undefined ? own[0]! : concatenate(own, axis);
    }
  }
  return feeds;
}

function exitOf(exits: Tensor | undefined): number | undefined {
  if (exits === undefined || sizeOf(exits.dims) === 0) return undefined;
  return Math.max(...exits.numbers());
}
