import { throwIfAborted } from '../../../base/index.ts';
import { bind, type Dataset } from '../../../data/index.ts';
import { cloneModel, type Model, type Tensor, tensorType } from '../../../graph/index.ts';
import { openSession } from '../../../run/index.ts';

export interface ObserveOptions {
  /** Samples per run; fewer are taken where the values would not fit `memory`. Default 32. */
  readonly batch?: number;
  /** Only these samples, ascending. Default: all. */
  readonly indices?: readonly number[] | Uint32Array;
  /** Bytes of observed values that may be in memory at once. Default 256 MiB. */
  readonly memory?: number;
  readonly signal?: AbortSignal;
}

/** Called with each observed value of each batch. The tensor is free to be kept, or dropped. */
export type Observer = (value: string, tensor: Tensor, samples: number) => void;

/** The model with inner float32 values among its outputs. The input is left alone. */
export function exposed(model: Model, values: readonly string[]): Model {
  const result = cloneModel(model);
  const known = new Set([...result.graph.outputs, ...result.graph.inputs].map(({ name }) => name));
  for (const name of values) {
    if (known.has(name)) continue;
    known.add(name);
    result.graph.outputs.push({ name, type: tensorType('float32', undefined) });
  }
  return result;
}

/**
 * Runs a dataset through a model and shows the given values (inputs, inner values, outputs; float32) of each batch. What is in memory
 * at once is bounded whatever the number of samples: batches shrink, and where a single sample is too much, the
 * values are shown in several passes over the data. Throws what opening, binding and running throw.
 */
export async function observe(
  model: Model,
  dataset: Dataset,
  values: readonly string[],
  observer: Observer,
  options: ObserveOptions = {},
): Promise<{ samples: number; passes: number }> {
  const { batch = 32, indices, memory = 256 * 2 ** 20, signal } = options;
  const inputs = new Set(model.graph.inputs.map(({ name }) => name));
  const given = values.filter((value) => inputs.has(value));
  const inner = values.filter((value) => !inputs.has(value));
  const session = await openSession(exposed(model, inner), {});
  try {
    const sizes = new Map<string, number>();
    let width = 1;
    // One small run tells how large the values are.
    for await (const { feeds, indices: which } of bind(dataset, session.inputs, {
      batch: 1,
      indices,
      signal,
    })) {
      const wanted = inner.length > 0 ? inner : session.outputs.slice(0, 1).map(({ name }) => name);
      const fetched = await session.run(feeds, { outputs: wanted, signal });
      for (const value of inner) sizes.set(value, fetched[value]!.byteLength);
      width = which.length;
      break;
    }
    const perSample = [...sizes.values()].reduce((sum, size) => sum + size, 0) / width;
    const fitting = Math.max(1, Math.min(batch, Math.floor(memory / Math.max(1, perSample))));
    const chunks = chunksOf(inner, sizes, (memory / fitting) * width);
    let samples = 0;
    for (const [pass, chunk] of chunks.entries()) {
      samples = 0;
      for await (const part of bind(dataset, session.inputs, { batch: fitting, indices, signal })) {
        throwIfAborted(signal);
        if (pass === 0) for (const value of given) observer(value, part.feeds[value]!, part.indices.length);
        if (chunk.length > 0) {
          const fetched = await session.run(part.feeds, { outputs: chunk, signal });
          for (const value of chunk) observer(value, fetched[value]!, part.indices.length);
        }
        samples += part.indices.length;
      }
    }
    return { samples, passes: chunks.length };
  } finally {
    await session.dispose();
  }
}

function chunksOf(values: readonly string[], sizes: ReadonlyMap<string, number>, most: number): string[][] {
  const chunks: string[][] = [[]];
  let held = 0;
  for (const value of values) {
    const size = sizes.get(value) ?? 0;
    if (held > 0 && held + size > most) {
      chunks.push([]);
      held = 0;
    }
    chunks.at(-1)!.push(value);
    held += size;
  }
  return chunks;
}
