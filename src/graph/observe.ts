import { messageOf } from '../base/index.ts';
import type { Inference } from './infer.ts';
import { cloneModel, type Model, type ValueInfo } from './model.ts';
import { type Known, known } from './ops/op.ts';
import type { Tensor } from './tensor.ts';

/** Runs a model once: named tensors in, the named outputs out. */
export type RunModel = (
  model: Model,
  feeds: Readonly<Record<string, Tensor>>,
) => Promise<Readonly<Record<string, Tensor>>>;

export interface ObserveOptions {
  /** Only these values. Default: all that nodes of the main graph make. */
  readonly names?: readonly string[];
  /** Values that are fetched in one run; bounds the memory. */
  readonly chunk?: number;
  readonly signal?: AbortSignal;
}

/** What running has shown. */
export interface Observation {
  /** Dtype and shape of each value that could be fetched, in the order of the graph. */
  readonly values: ReadonlyMap<string, Known>;
  /** Values that the runtime does not hand out (sequences, say), with its words. */
  readonly refused: ReadonlyMap<string, string>;
}

/**
 * Dtypes and shapes of inner values, seen by running the model with them as outputs, some at a time. Where a chunk fails it
 * is halved, so that one value that cannot be fetched does not hide the others. Throws what `run` throws for the model as it is.
 */
export async function observeShapes(
  model: Model,
  run: RunModel,
  feeds: Readonly<Record<string, Tensor>>,
  options: ObserveOptions = {},
): Promise<Observation> {
  const own = new Set(model.graph.outputs.map(({ name }) => name));
  const made = model.graph.nodes.flatMap((node) => node.outputs.filter((name) => name !== ''));
  const wanted = options.names === undefined ? made : made.filter((name) => options.names?.includes(name));
  const seen = new Map<string, Known>();
  const refused = new Map<string, string>();
  const note = (fetched: Readonly<Record<string, Tensor>>) => {
    for (const [name, tensor] of Object.entries(fetched)) seen.set(name, known(tensor.dtype, tensor.dims));
  };
  note(await run(model, feeds));
  const size = Math.max(1, options.chunk ?? 64);
  const inner = wanted.filter((name) => !own.has(name));
  const chunks: string[][] = [];
  for (let i = 0; i < inner.length; i += size) chunks.push(inner.slice(i, i + size));
  for (let chunk = chunks.shift(); chunk !== undefined; chunk = chunks.shift()) {
    options.signal?.throwIfAborted();
    try {
      note(await run(withOutputs(model, chunk), feeds));
    } catch (cause) {
      options.signal?.throwIfAborted();
      if (chunk.length === 1) refused.set(chunk[0]!, messageOf(cause));
      else {
        const half = Math.ceil(chunk.length / 2);
        chunks.unshift(chunk.slice(0, half), chunk.slice(half));
      }
    }
  }
  const values = new Map<string, Known>();
  for (const name of wanted) {
    const value = seen.get(name);
    if (value !== undefined) values.set(name, value);
  }
  return { values, refused };
}

/** The model with these values as outputs, instead of its own; their types are left to the runtime. */
function withOutputs(model: Model, names: readonly string[]): Model {
  const copy = cloneModel(model);
  copy.graph.outputs = names.map((name): ValueInfo => ({ name, type: { kind: 'unknown' } }));
  return copy;
}

/** The inference with the gaps filled by what was seen. Sizes that a rule knows, and symbols, stay as they are. */
export function withObserved(inference: Inference, observed: ReadonlyMap<string, Known>): Inference {
  const values = new Map(inference.values);
  for (const [name, seen] of observed) {
    const old = values.get(name);
    const shape = old?.shape?.map((dim, i) => dim ?? seen.shape?.[i] ?? null) ?? seen.shape;
    values.set(name, { ...old, dtype: old?.dtype ?? seen.dtype, shape });
  }
  return { ...inference, values, get: (name) => values.get(name) };
}
