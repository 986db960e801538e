import { fail } from '../../src/base/index.ts';
import { byteLengthOf, parseText, sizeOf, Tensor } from '../../src/graph/index.ts';
import { type Feeds, openSession, type Session } from '../../src/run/index.ts';
import type {
  Answered,
  Ask,
  Happened,
  Meter,
  Models,
  Observer,
  Served,
  Ticket,
} from '../../src/serve/ports.ts';

/** A served model without batching: each ticket is one run of a session. */
export class PlainServed implements Served {
  readonly name: string;
  readonly version: string;
  readonly platform = 'onnx_onnxv1';
  readonly inputs: Served['inputs'];
  readonly outputs: Served['outputs'];
  readonly sampleAxis: Record<string, number | undefined> = {};
  readonly metadata = new Map<string, string>();
  readonly session: Session;
  /** Tickets that may be out at once. */
  capacity = 1000;
  /** Tickets that are out. */
  taken = 0;
  ready = true;
  /** Requests wait for it before they are computed. */
  gate: Promise<void> = Promise.resolve();
  readonly asks: Ask[] = [];

  constructor(name: string, version: string, session: Session) {
    Object.assign(this, { name, version });
    this.name = name;
    this.version = version;
    this.session = session;
    this.inputs = session.inputs;
    this.outputs = session.outputs;
    for (const port of session.inputs) {
      this.sampleAxis[port.name] = typeof port.shape?.[0] === 'number' ? undefined : 0;
    }
  }

  take(ask: Ask): Ticket {
    if (this.taken >= this.capacity) {
      throw fail('OVERLOADED', `${this.taken} requests wait`, { retryAfterMs: 1500 });
    }
    for (const { name, shape } of this.inputs) {
      const given = ask.shapes[name];
      if (given === undefined) throw fail('FEED_MISMATCH', `input ${name} is missing`);
      const fits =
        shape === undefined ||
        (shape.length === given.length &&
          shape.every((dim, axis) => typeof dim !== 'number' || dim === given[axis]));
      if (!fits) throw fail('FEED_MISMATCH', `input ${name} is [${shape}], not [${given}]`);
    }
    this.asks.push(ask);
    this.taken += 1;
    return new PlainTicket(this, ask);
  }

  state() {
    return {
      ...{ ready: this.ready, queued: 0, inFlight: this.taken, instances: 1 },
      ...{ curve: [], goalMs: 100, maxBatch: 1 },
    };
  }
}

class PlainTicket implements Ticket {
  readonly #served: PlainServed;
  readonly #ask: Ask;
  readonly #feeds: Record<string, Tensor> = {};
  readonly #buffers = new Map<string, { bytes: Uint8Array; filled: number }>();
  readonly #arrival = performance.now();
  #state: 'open' | 'submitted' | 'over' = 'open';

  constructor(served: PlainServed, ask: Ask) {
    this.#served = served;
    this.#ask = ask;
  }

  bytesOf(input: string): number | undefined {
    const { dtype } = this.#port(input);
    return dtype === 'string' ? undefined : byteLengthOf(dtype, sizeOf(this.#ask.shapes[input]!));
  }

  write(input: string, at: number, bytes: Uint8Array): void {
    const length = this.bytesOf(input);
    if (length === undefined || at + bytes.byteLength > length) {
      throw fail('FEED_MISMATCH', `${bytes.byteLength} bytes at ${at} of ${input} do not fit into ${length}`);
    }
    let buffer = this.#buffers.get(input);
    if (buffer === undefined) {
      buffer = { bytes: new Uint8Array(length), filled: 0 };
      this.#buffers.set(input, buffer);
    }
    buffer.bytes.set(bytes, at);
    buffer.filled += bytes.byteLength;
  }

  give(input: string, tensor: Tensor): void {
    if (tensor.dtype !== this.#port(input).dtype) throw fail('FEED_MISMATCH', `${input} is ${tensor.dtype}`);
    this.#feeds[input] = tensor;
  }

  async submit(): Promise<Answered> {
    if (this.#state !== 'open') throw fail('INTERNAL', 'submitted twice');
    this.#state = 'submitted';
    const { signal, deadline, outputs, shapes } = this.#ask;
    const served = this.#served;
    try {
      for (const { name, dtype } of served.inputs) {
        if (this.#feeds[name] !== undefined) continue;
        const buffer = this.#buffers.get(name);
        if (buffer === undefined || buffer.filled !== buffer.bytes.byteLength) {
          throw fail('FEED_MISMATCH', `input ${name} is not filled`);
        }
        this.#feeds[name] = Tensor.ofBytes(dtype, shapes[name]!, buffer.bytes);
      }
      await served.gate;
      if (signal?.aborted) throw signal.reason;
      const began = performance.now();
      if (deadline !== undefined && began > deadline) {
        throw fail('DEADLINE_MISSED', `${(began - deadline).toFixed(1)} ms late`);
      }
      const fetches = await served.session.run(this.#feeds as Feeds, { outputs });
      const first = served.inputs[0]!.name;
      const samples = served.sampleAxis[first] === undefined ? 1 : (shapes[first]![0] ?? 1);
      const meter: Meter = {
        version: served.version,
        queueMs: began - this.#arrival,
        computeMs: performance.now() - began,
        cpuSeconds: 0.001,
        batch: samples,
        samples,
      };
      return { fetches, meter };
    } finally {
      this.#end();
    }
  }

  cancel(): void {
    if (this.#state === 'open') this.#end();
  }

  #end(): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    this.#served.taken -= 1;
  }

  #port(input: string) {
    const port = this.#served.inputs.find(({ name }) => name === input);
    if (port === undefined) throw fail('FEED_MISMATCH', `there is no input ${input}`);
    return port;
  }
}

/** Models that are there from the start to the end; the last version answers. */
export class PlainModels implements Models {
  readonly #served: readonly PlainServed[];
  isReady = true;
  /** Leases that are not released. */
  leases = 0;

  constructor(served: readonly PlainServed[]) {
    this.#served = served;
  }

  names(): readonly string[] {
    return [...new Set(this.#served.map(({ name }) => name))].sort();
  }

  versions(name: string): readonly string[] {
    const found = this.#served.filter((one) => one.name === name);
    if (found.length === 0) throw fail('MODEL_UNKNOWN', `"${name.slice(0, 100)}"`);
    return found.map(({ version }) => version);
  }

  lease(name: string, version?: string) {
    const all = this.versions(name);
    const wanted = version ?? all.at(-1);
    const served = this.#served.find((one) => one.name === name && one.version === wanted);
    if (served === undefined) throw fail('MODEL_UNKNOWN', `${name} has no version "${version}"`);
    if (!served.ready) throw fail('MODEL_NOT_READY', `${name} is loading`);
    this.leases += 1;
    let released = false;
    const release = () => {
      if (!released) this.leases -= 1;
      released = true;
    };
    return { served, release };
  }

  ready(): boolean {
    return this.isReady && this.#served.every(({ ready }) => ready);
  }

  index() {
    return this.#served.map(({ name, version, ready }) => ({
      ...{ name, version, reason: '', share: 1 },
      state: ready ? ('READY' as const) : ('LOADING' as const),
    }));
  }
}

/** Remembers what it is told. */
export class Remembering implements Observer {
  readonly happened: Happened[] = [];
  readonly events: { kind: string; facts: Readonly<Record<string, unknown>> }[] = [];

  request(happened: Happened): void {
    this.happened.push(happened);
  }

  batch(): void {}

  event(kind: string, facts: Readonly<Record<string, unknown>>): void {
    this.events.push({ kind, facts });
  }

  headers(_model: string, meter: Meter): Record<string, string> {
    return { 'x-modicum-compute-ms': String(meter.computeMs), 'x-modicum-batch': String(meter.batch) };
  }
}

/** Small models, one for each thing that a protocol can get wrong. */
const TEXTS = {
  // Two inputs of different width, two outputs; the samples on the first axis.
  pair: `g (float[n, 3] x, int64[n, 2] k) => (float[n, 3] y, int64[n, 2] j) { y = Add(x, x) j = Neg(k) }`,
  // One input of any length: raw binary requests.
  row: `g (float[n, m] x) => (float[n, m] y) { y = Neg(x) }`,
  text: `g (string[n] s) => (string[n] t) { t = Identity(s) }`,
  flags: `g (bool[n] b, uint8[n] u, int8[n] i, float16[n] h, double[n] d)
    => (bool[n] nb, uint8[n] nu, int8[n] ni, float16[n] nh, double[n] nd)
    { nb = Not(b) nu = Identity(u) ni = Identity(i) nh = Identity(h) nd = Identity(d) }`,
  // Fails on an index that is not there: only the runtime knows.
  lookup: `g (int64[n] i) => (float[n] y) <float[3] table = {10, 20, 30}> { y = Gather(table, i) }`,
  // Nothing but copying: what a protocol costs.
  big: `g (float[1, 3, 224, 224] x) => (float[1, 3, 224, 224] y) { y = Neg(x) }`,
} as const;

export type PlainName = keyof typeof TEXTS;

/** Opens these models; `pair` has two versions. */
export async function openPlain(...names: PlainName[]) {
  const served: Record<string, PlainServed> = {};
  const list: PlainServed[] = [];
  for (const name of names) {
    for (const version of name === 'pair' ? ['1', '2'] : ['1']) {
      const model = parseText(`<ir_version: 10, opset_import: ["" : 21]> ${TEXTS[name]}`);
      const one = new PlainServed(name, version, await openSession(model, { threads: 1 }));
      list.push(one);
      served[name] = one;
    }
  }
  const models = new PlainModels(list);
  const close = async () => {
    await Promise.all(list.map(({ session }) => session.dispose()));
  };
  return { models, served: served as Record<PlainName, PlainServed>, observer: new Remembering(), close };
}
