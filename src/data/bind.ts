import { fail, throwIfAborted } from '../base/index.ts';
import type { Tensor } from '../graph/index.ts';
import { cast } from './cast.ts';
import type { Batch, Dataset } from './dataset.ts';
import { type BatchPlan, type Feed, type InputPort, planBatch } from './plan.ts';

export interface BindOptions {
  /** Samples per run; a model of a fixed batch sets its own. Default 32. */
  readonly batch?: number;
  /** Only these samples, ascending. Default: all. */
  readonly indices?: readonly number[] | Uint32Array;
  readonly signal?: AbortSignal;
  /** Refuses NaN and infinity with DATA_NOT_FINITE. Default true. */
  readonly checkFinite?: boolean;
  /** Lets float32 and float64 data feed float16 inputs, rounded. Default false. */
  readonly narrow?: boolean;
}

/**
 * The samples as the feeds of a model: batches whose tensors bear the names, dtypes and shapes of its inputs (see
 * planBatch for the rules). Labels and sample numbers pass through. Mismatches are thrown at once, before anything is read.
 */
export function bind(
  dataset: Dataset,
  inputs: readonly InputPort[],
  options: BindOptions = {},
): AsyncIterable<Batch> {
  const { indices, narrow } = options;
  const plan = planBatch(dataset, inputs, options.batch, { samples: indices?.length, narrow });
  return { [Symbol.asyncIterator]: () => feedAll(dataset, plan, options) };
}

async function* feedAll(dataset: Dataset, plan: BatchPlan, options: BindOptions): AsyncGenerator<Batch> {
  const { signal, checkFinite = true } = options;
  const fields = [...new Set(plan.feeds.map((feed) => feed.field))];
  const read = { batch: plan.batch, indices: options.indices, fields, signal };
  for await (const { indices, feeds: read_, labels } of dataset.read(read)) {
    throwIfAborted(signal);
    if (plan.fixed && indices.length < plan.batch) return;
    const feeds: Record<string, Tensor> = {};
    for (const feed of plan.feeds) {
      const tensor = shaped(read_[feed.field]!, feed, dataset.name, indices.length);
      if (checkFinite) refuseNonFinite(tensor, feed, dataset.name, indices);
      feeds[feed.input] = tensor;
    }
    yield { indices, feeds, labels };
  }
}

function shaped(tensor: Tensor, feed: Feed, name: string, samples: number): Tensor {
  const dims = feed.whole ? feed.dims : [samples, ...feed.dims];
  return cast(tensor, feed.dtype, `${feed.field} of ${name}`).reshape(dims);
}

function refuseNonFinite(tensor: Tensor, feed: Feed, name: string, indices: readonly number[]): void {
  const at = firstNonFinite(tensor);
  if (at < 0) return;
  const sample = indices[Math.floor(at / (tensor.size / indices.length))];
  const data = tensor.data();
  const value = tensor.dtype === 'float16' ? 'NaN or infinity' : String(data[at]);
  const why = `sample ${sample} of ${name} has ${value} in ${feed.field}`;
  throw fail('DATA_NOT_FINITE', why, { sample, field: feed.field });
}

/** Position of the first NaN or infinity, or -1. */
function firstNonFinite(tensor: Tensor): number {
  if (tensor.dtype === 'float16') {
    return (tensor.data() as Uint16Array).findIndex((bits) => (bits & 0x7c00) === 0x7c00);
  }
  if (tensor.dtype !== 'float32' && tensor.dtype !== 'float64') return -1;
  const data = tensor.data() as Float32Array | Float64Array;
  for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i]!)) return i;
  return -1;
}
