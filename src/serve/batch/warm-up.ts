import { byteLengthOf, sizeOf, Tensor } from '../../graph/index.ts';
import type { Feeds, Fetches, Port } from '../../run/index.ts';
import type { Engine } from '../ports.ts';
import { concatenate, type OutputAxes } from './divide.ts';
import type { Shapes } from './shapes.ts';

export interface WarmUpOptions {
  /** Runs of each size that count. Default 4. */
  readonly repeats?: number;
  /** One sample of each input. Default: zeros. */
  readonly feeds?: Feeds;
  /** Sizes beyond one that takes so many ms are not tried. */
  readonly longestMs?: number;
}

/** ms that it takes in all, about. */
const MOST_MS = 5000;

/**
 * Runs batches of 1, 2, 4, ... samples and shows their times to the curve. A dimension besides the samples that is open is 1. A model whose outputs do not grow with the samples is not batched from then on. A model that refuses zeros is not known before its first requests. Throws as the engine, but for RUNTIME_FAILED.
 */
export async function warmUp(
  engine: Engine,
  shapes: Shapes,
  outputAxes: OutputAxes,
  { repeats = 4, feeds, longestMs = Number.POSITIVE_INFINITY }: WarmUpOptions = {},
): Promise<void> {
  const one = Object.fromEntries(engine.inputs.map((port) => [port.name, feeds?.[port.name] ?? zeros(port)]));
  const { inputs, samples } = shapes.check(
    Object.fromEntries(Object.entries(one).map(([name, { dims }]) => [name, dims])),
  );
  const { group } = shapes.bucket(inputs);
  const sizes = [samples];
  if (shapes.batchable) {
    for (let n = 2; n < group.maxBatch; n *= 2) sizes.push(n);
    if (group.maxBatch > 1) sizes.push(group.maxBatch);
  }
  const from = performance.now();
  for (const size of sizes) {
    if (performance.now() - from > MOST_MS) return;
    const batch = Object.fromEntries(
      Object.entries(one).map(([name, tensor]) => [
        name,
        repeated(tensor, shapes.axes[name], size / samples),
      ]),
    );
    // The first of a size allocates, and says nothing of the others.
    for (let i = 0; i <= repeats; i++) {
      const started = performance.now();
      try {
        const { fetches } = await engine.run(batch, { samples: size });
        if (shapes.batchable && size > samples && i === 0 && !grows(fetches, outputAxes, size)) {
          shapes.batchable = false;
          return;
        }
      } catch (cause) {
        if ((cause as { code?: string }).code === 'RUNTIME_FAILED') return;
        throw cause;
      }
      const ms = performance.now() - started;
      if (i > 0) group.curve.observe(size, ms);
      // More would only be slower still, and heavy models take long enough to open.
      if (i > 0 && performance.now() - from > MOST_MS) return;
    }
    if (group.curve.mean(size) > longestMs) return;
  }
}

/** Whether each output can be divided among so many samples: one that cannot shows it at one size or another. */
function grows(fetches: Fetches, axes: OutputAxes, size: number): boolean {
  return Object.entries(fetches).every(([name, { dims }]) => {
    const axis = axes.get(name);
    return axis === undefined || dims[axis] === size;
  });
}

function zeros({ dtype, shape = [1] }: Port): Tensor {
  const dims = shape.map((dim) => (typeof dim === 'number' ? dim : 1));
  if (dtype === 'string') return Tensor.ofStrings(dims, new Array<string>(sizeOf(dims)).fill(''));
  return Tensor.ofBytes(dtype, dims, new Uint8Array(byteLengthOf(dtype, sizeOf(dims))));
}

function repeated(tensor: Tensor, axis: number | undefined, times: number): Tensor {
  if (axis === undefined || times === 1) return tensor;
  return concatenate(new Array<Tensor>(times).fill(tensor), axis);
}
