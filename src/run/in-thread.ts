import * as ort from 'onnxruntime-node';
import { fail } from '../base/index.ts';
import { byteLengthOf, type DType, type Model, sizeOf, Tensor, type TypedArray } from '../graph/index.ts';
import type { Gate } from './gate.ts';
import type { ModelSource } from './messages.ts';
import { metadataOf } from './metadata.ts';
import { failure, refusal } from './ort-errors.ts';
import { OrtInstance } from './ort-instance.ts';
import { portsOf } from './ports.ts';
import type { Feeds, Fetches, Port, RunOptions, Session } from './session.ts';
import { resolveSettings, type SessionSettings } from './settings.ts';

/**
 * A session in the thread of its caller, for programs that run beside the runtime (hosted-program.ts): nothing is copied and no message
 * is sent. Feeds are not checked again, and the runtime keeps its caller waiting. Outputs in `reuse` are written into memory that is kept
 * from run to run, so that large ones cost no fresh pages each time: a run ends what the run before gave.
 * `model`: what the file says of itself, where it is at hand. Throws RUNTIME_REFUSED, USAGE_BAD_OPTION.
 */
export async function openInThread(
  source: ModelSource,
  given: Partial<SessionSettings>,
  gate: Gate,
  reuse: readonly string[] = [],
  model?: Model,
): Promise<Session> {
  const settings = resolveSettings({ ...given, instances: 1 });
  try {
    return new InThread(await OrtInstance.open(source, settings, {}, gate), settings, reuse, model);
  } catch (cause) {
    throw cause instanceof Error && !('code' in cause) ? refusal(cause.message, settings, cause) : cause;
  }
}

class InThread implements Session {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly metadata: ReadonlyMap<string, string>;
  readonly #instance: OrtInstance;
  readonly #reused: readonly Reused[];
  #closed = false;

  constructor(
    instance: OrtInstance,
    settings: SessionSettings,
    reuse: readonly string[],
    model: Model | undefined,
  ) {
    const { inputs, outputs } = portsOf(instance.ports(), model);
    this.inputs = inputs;
    this.outputs = outputs;
    this.metadata = metadataOf(model, settings);
    this.#instance = instance;
    this.#reused = outputs.flatMap((port) =>
      reuse.includes(port.name) ? (reusedOf(port, inputs) ?? []) : [],
    );
  }

  async run(feeds: Feeds, { outputs, signal }: RunOptions = {}): Promise<Fetches> {
    if (this.#closed) throw fail('SESSION_CLOSED', 'it was disposed of before this call');
    signal?.throwIfAborted();
    const given = Object.fromEntries(
      Object.entries(feeds).map(([name, tensor]) => [name, toRuntime(tensor)]),
    );
    const wanted = outputs ?? this.outputs.map(({ name }) => name);
    const fetches: Record<string, ort.Tensor | null> = {};
    for (const name of wanted) {
      fetches[name] = this.#reused.find((one) => one.name === name)?.tensor(feeds) ?? null;
    }
    try {
      const found = await this.#instance.runInto(given, fetches);
      return Object.fromEntries(wanted.map((name) => [name, fromRuntime(found[name]!)]));
    } catch (cause) {
      throw cause instanceof Error ? failure(cause.message, cause) : cause;
    }
  }

  async dispose(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#instance.release();
  }
}

/** Memory of one output, kept from run to run. */
interface Reused {
  readonly name: string;
  /** For a run on these feeds; undefined for no elements. */
  tensor(feeds: Feeds): ort.Tensor | undefined;
}

/** Undefined where the size of the output does not follow from the feeds: its first axis is that of an input, the others are known. */
function reusedOf({ name, dtype, shape }: Port, inputs: readonly Port[]): Reused | undefined {
  const rest = shape?.slice(1);
  const samples = shape?.[0];
  if (rest === undefined || dtype === 'string' || !rest.every((dim) => typeof dim === 'number'))
    return undefined;
  const alike = inputs.flatMap((input) => {
    const axis = typeof samples === 'string' ? (input.shape?.indexOf(samples) ?? -1) : -1;
    return axis < 0 ? [] : [{ name: input.name, axis }];
  })[0];
  if (typeof samples !== 'number' && alike === undefined) return undefined;
  let memory = new ArrayBuffer(0);
  return {
    name,
    tensor(feeds) {
      const count = typeof samples === 'number' ? samples : feeds[alike!.name]!.dims[alike!.axis]!;
      const dims = [count, ...rest];
      const bytes = byteLengthOf(dtype, sizeOf(dims));
      if (bytes === 0) return undefined;
      if (memory.byteLength < bytes) memory = new ArrayBuffer(bytes);
      return toRuntime(Tensor.ofBytes(dtype, dims, new Uint8Array(memory, 0, bytes)));
    },
  };
}

function toRuntime(tensor: Tensor): ort.Tensor {
  if (tensor.dtype === 'string') return new ort.Tensor('string', [...tensor.strings()], tensor.dims);
  return new ort.Tensor(tensor.dtype as 'float32', tensor.data() as Float32Array, tensor.dims);
}

function fromRuntime(tensor: ort.Tensor): Tensor {
  const { data, dims } = tensor;
  if (Array.isArray(data)) return Tensor.ofStrings(dims, data);
  return Tensor.of(tensor.type as Exclude<DType, 'string'>, dims, data as TypedArray);
}
