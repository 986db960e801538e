import { bind, type Dataset } from '../../data/index.ts';
import { cloneModel, type Model, sizeOf, Tensor } from '../../graph/index.ts';
import { openSession } from '../../run/index.ts';

/** What a value of a model is for each of some samples, side by side. */
export class Captured {
  /** Of one sample. */
  readonly dims: readonly number[];
  readonly samples: number;
  readonly #values: Float32Array;

  constructor(dims: readonly number[], samples: number, values: Float32Array) {
    this.dims = dims;
    this.samples = samples;
    this.#values = values;
  }

  /** The values of some samples, in the order asked for: [count, ...dims]. */
  rows(indices: readonly number[]): Tensor {
    const width = sizeOf(this.dims);
    const values = new Float32Array(indices.length * width);
    for (const [at, index] of indices.entries()) {
      values.set(this.#values.subarray(index * width, (index + 1) * width), at * width);
    }
    return Tensor.float32([indices.length, ...this.dims], values);
  }
}

/**
 * Runs the first samples of a dataset through a model and keeps one float32 value, at most `most` bytes of it. Undefined where the
 * value has not the samples along its first axis. Throws what running throws.
 */
export async function capture(
  model: Model,
  value: string,
  data: Dataset,
  { samples, most, signal }: { samples: number; most: number; signal?: AbortSignal },
): Promise<Captured | undefined> {
  const exposed = cloneModel(model);
  exposed.graph.outputs = [{ name: value, type: { kind: 'unknown' } }];
  const session = await openSession(exposed);
  const count = Math.min(samples, data.size);
  try {
    let values: Float32Array | undefined;
    let dims: readonly number[] = [];
    let room = count;
    let filled = 0;
    const indices = Array.from({ length: count }, (_, i) => i);
    for await (const part of bind(data, session.inputs, { batch: 32, indices, signal })) {
      const tensor = (await session.run(part.feeds, { outputs: [value], signal }))[value]!;
      const rows = part.indices.length;
      if (tensor.dims[0] !== rows || tensor.dtype !== 'float32') return undefined;
      if (values === undefined) {
        dims = tensor.dims.slice(1);
        room = Math.max(1, Math.min(count, Math.floor(most / (4 * Math.max(1, sizeOf(dims))))));
        values = new Float32Array(room * sizeOf(dims));
      }
      const taken = Math.min(rows, room - filled);
      values.set(tensor.as('float32').subarray(0, taken * sizeOf(dims)), filled * sizeOf(dims));
      filled += taken;
      if (filled === room) break;
    }
    return values && new Captured(dims, filled, values.subarray(0, filled * sizeOf(dims)));
  } finally {
    await session.dispose();
  }
}
