import * as ort from 'onnxruntime-node';
import { DTYPES, type DType, type DTypeRow } from '../graph/index.ts';
import { type Gate, OPEN_GATE } from './gate.ts';
import {
  LOOP_ARRIVED,
  LOOP_STOP,
  LOOP_TAKEN,
  type LoopReply,
  type ModelSource,
  type OpenExtras,
  type OpenReply,
  type Packed,
  type PackedTensor,
  type PortInfo,
  type Request,
} from './messages.ts';
import type { SessionSettings } from './settings.ts';

// The binding reads this once, when its first session is made; everything worth knowing comes back as an exception.
ort.env.logLevel = 'fatal';
const FATAL = 4;

type LoopRequest = Extract<Request, { kind: 'loop' }>;

/** Milliseconds on the clock that all threads of the process share. */
const now = (): number => Number(process.hrtime.bigint()) / 1e6;

/** The one place that knows onnxruntime-node's session. Lives in a worker thread. */
export class OrtInstance {
  readonly #session: ort.InferenceSession;
  readonly #gate: Gate;

  private constructor(session: ort.InferenceSession, gate: Gate) {
    this.#session = session;
    this.#gate = gate;
  }

  static async open(
    source: ModelSource,
    settings: SessionSettings,
    extras: OpenExtras,
    gate: Gate = OPEN_GATE,
  ): Promise<OrtInstance> {
    const config: Record<string, string> = { ...settings.config };
    if (settings.allowSpinning !== undefined) {
      config['session.intra_op.allow_spinning'] = settings.allowSpinning ? '1' : '0';
    }
    const options: ort.InferenceSession.SessionOptions = {
      executionProviders: [settings.provider],
      intraOpNumThreads: settings.threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: settings.level,
      enableCpuMemArena: settings.arena ?? true,
      logSeverityLevel: FATAL,
      extra: config,
    };
    if (extras.optimizedPath !== undefined) options.optimizedModelFilePath = extras.optimizedPath;
    if (extras.profilePrefix !== undefined) {
      options.enableProfiling = true;
      options.profileFilePrefix = extras.profilePrefix;
    }
    // The binding refuses shared memory, so the bytes are copied for as long as loading takes.
    const found = source.kind === 'path' ? source.path : new Uint8Array(source.bytes).slice();
    const session = await through(gate, () =>
      typeof found === 'string'
        ? ort.InferenceSession.create(found, options)
        : ort.InferenceSession.create(found, options),
    );
    return new OrtInstance(session, gate);
  }

  ports(): OpenReply {
    return {
      inputs: this.#session.inputMetadata.map(portOf),
      outputs: this.#session.outputMetadata.map(portOf),
    };
  }

  async run(feeds: Packed, outputs: readonly string[], transfer: ArrayBuffer[]): Promise<Packed> {
    const given = unpackFeeds(feeds);
    const fetched = await through(this.#gate, () =>
      this.#session.run(given, outputs, { logSeverityLevel: FATAL }),
    );
    const packed: Packed = {};
    for (const name of outputs) packed[name] = pack(fetched[name]!, transfer);
    return packed;
  }

  /** A run on the runtime's own tensors: outputs that are given are written in place. */
  runInto(
    feeds: Readonly<Record<string, ort.Tensor>>,
    fetches: Readonly<Record<string, ort.Tensor | null>>,
  ): Promise<ort.InferenceSession.OnnxValueMapType> {
    return through(this.#gate, () => this.#session.run(feeds, fetches, { logSeverityLevel: FATAL }));
  }

  /** Runs over and over, feeds in turn; all instances start together and share the number of runs. */
  async loop(request: LoopRequest, transfer: ArrayBuffer[]): Promise<LoopReply> {
    const feeds = request.feeds.map(unpackFeeds);
    const control = new Int32Array(request.control);
    const session = this.#session;
    const gate = this.#gate;
    const options = { logSeverityLevel: FATAL } as const;
    waitForAll(control, request.parties);
    let latencies = new Float64Array(1024);
    let starts = new Float64Array(1024);
    let count = 0;
    const cpuBegin = cpu();
    const begin = now();
    const until = begin + request.seconds * 1000;
    while (Atomics.load(control, LOOP_STOP) === 0) {
      const turn = Atomics.add(control, LOOP_TAKEN, 1);
      if (turn >= request.runs) break;
      const feed = feeds[turn % feeds.length]!;
      gate.enter();
      const start = process.hrtime.bigint();
      let end: bigint;
      try {
        await session.run(feed, request.outputs, options);
        end = process.hrtime.bigint();
      } finally {
        gate.leave();
      }
      if (count === latencies.length) {
        latencies = grown(latencies);
        starts = grown(starts);
      }
      latencies[count] = Number(end - start) / 1e6;
      starts[count++] = Number(start) / 1e6;
      if (Number(end) / 1e6 >= until) break;
    }
    const end = now();
    const reply = {
      latencies: latencies.slice(0, count),
      starts: starts.slice(0, count),
      begin,
      end,
      cpuBegin,
      cpuEnd: cpu(),
    };
    transfer.push(reply.latencies.buffer, reply.starts.buffer);
    return reply;
  }

  endProfile(): undefined {
    this.#gate.enter();
    this.#session.endProfiling();
    this.#gate.leave();
  }

  async release(): Promise<void> {
    await through(this.#gate, () => this.#session.release());
  }
}

async function through<T>(gate: Gate, work: () => Promise<T>): Promise<T> {
  gate.enter();
  try {
    return await work();
  } finally {
    gate.leave();
  }
}

/** CPU microseconds of the whole process. */
function cpu(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function grown(array: Float64Array): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(array.length * 2);
  larger.set(array);
  return larger;
}

/** A barrier. Given up after ten seconds or on stop, so that the crash of one worker does not hang the others. */
function waitForAll(control: Int32Array, parties: number): void {
  Atomics.add(control, LOOP_ARRIVED, 1);
  Atomics.notify(control, LOOP_ARRIVED);
  const limit = performance.now() + 10_000;
  for (;;) {
    const arrived = Atomics.load(control, LOOP_ARRIVED);
    if (arrived >= parties || Atomics.load(control, LOOP_STOP) !== 0 || performance.now() > limit) return;
    Atomics.wait(control, LOOP_ARRIVED, arrived, 50);
  }
}

function portOf(port: ort.InferenceSession.ValueMetadata): PortInfo {
  if (!port.isTensor) return { name: port.name, tensor: undefined };
  const shape = port.shape.map((dim) => (dim === '' ? null : dim));
  return { name: port.name, tensor: { dtype: port.type as DType, shape } };
}

export function unpackFeeds(feeds: Packed): Record<string, ort.Tensor> {
  return Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, unpack(tensor)]));
}

function unpack({ dtype, dims, content }: PackedTensor): ort.Tensor {
  if (!(content instanceof ArrayBuffer)) return new ort.Tensor('string', [...content], dims);
  const { array, bits } = DTYPES[dtype] as DTypeRow;
  const data = new array(content, 0, content.byteLength / Math.max(1, bits / 8));
  return new ort.Tensor(dtype as 'float32', data as Float32Array, dims);
}

export function pack(tensor: ort.Tensor, transfer: ArrayBuffer[]): PackedTensor {
  const dtype = tensor.type as DType;
  const data = tensor.data;
  if (Array.isArray(data)) return { dtype, dims: tensor.dims, content: data };
  const whole = data.byteOffset === 0 && data.byteLength === data.buffer.byteLength;
  const own =
    whole && data.buffer instanceof ArrayBuffer && !transfer.includes(data.buffer)
      ? data.buffer
      : new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice().buffer;
  transfer.push(own);
  return { dtype, dims: tensor.dims, content: own };
}
