import type { Happened } from '../ports.ts';

/** So often, and so long in all. */
interface Duration {
  count: number;
  ns: number;
}

/** Statistics of one version of a model, under the names that Triton gives them. */
export interface ModelStatistics {
  readonly name: string;
  readonly version: string;
  /** ms since 1970. */
  readonly last_inference: number;
  /** Samples answered. */
  readonly inference_count: number;
  /** Batches computed. */
  readonly execution_count: number;
  readonly inference_stats: Readonly<
    Record<
      | 'success'
      | 'fail'
      | 'queue'
      | 'compute_input'
      | 'compute_infer'
      | 'compute_output'
      | 'cache_hit'
      | 'cache_miss',
      Readonly<Duration>
    >
  >;
  readonly batch_stats: readonly {
    readonly batch_size: number;
    readonly compute_infer: Readonly<Duration>;
  }[];
}

interface Sums {
  last: number;
  samples: number;
  /** In shares of each request, which add up to whole batches. */
  batches: number;
  success: Duration;
  fail: Duration;
  queue: Duration;
  compute: Duration;
  cached: Duration;
  bySize: Map<number, Duration>;
}

const none = (): Duration => ({ count: 0, ns: 0 });

/** Sizes of batches told apart: a model that takes any size must not fill the memory. */
const MOST_SIZES = 1024;

/** Adds up what the requests of all protocols have cost, by version. Times of reading and writing tensors are not told apart: they are 0. */
export class Statistics {
  readonly #models = new Map<string, Map<string, Sums>>();

  add({ model, version, status, totalMs, meter, startedAt }: Happened): void {
    // What never reached a model is nobody's.
    if (model === '' || version === '') return;
    const sums = this.#of(model, version);
    const outcome = status < 400 ? sums.success : sums.fail;
    count(outcome, totalMs);
    if (meter === undefined) return;
    sums.last = Math.max(sums.last, startedAt + totalMs);
    sums.samples += meter.samples;
    if (meter.cached) {
      count(sums.cached, totalMs);
      return;
    }
    count(sums.queue, meter.queueMs);
    const share = meter.samples / Math.max(1, meter.batch);
    sums.batches += share;
    add(sums.compute, share, meter.computeMs);
    let size = sums.bySize.get(meter.batch);
    if (size === undefined) {
      if (sums.bySize.size >= MOST_SIZES) return;
      size = none();
      sums.bySize.set(meter.batch, size);
    }
    add(size, share, meter.computeMs);
  }

  /** Of one version; zeros where it was never asked. */
  of(name: string, version: string): ModelStatistics {
    const sums = this.#models.get(name)?.get(version) ?? fresh();
    return {
      name,
      version,
      last_inference: Math.round(sums.last),
      inference_count: sums.samples,
      execution_count: Math.round(sums.batches),
      inference_stats: {
        success: whole(sums.success),
        fail: whole(sums.fail),
        queue: whole(sums.queue),
        compute_input: none(),
        compute_infer: whole(sums.compute),
        compute_output: none(),
        cache_hit: whole(sums.cached),
        cache_miss: none(),
      },
      batch_stats: [...sums.bySize]
        .sort(([a], [b]) => a - b)
        .map(([batch_size, infer]) => ({ batch_size, compute_infer: whole(infer) })),
    };
  }

  /** Forgets versions that are gone. */
  keepOnly(there: ReadonlyMap<string, readonly string[]>): void {
    for (const [name, versions] of this.#models) {
      for (const version of versions.keys())
        if (!there.get(name)?.includes(version)) versions.delete(version);
      if (versions.size === 0) this.#models.delete(name);
    }
  }

  #of(name: string, version: string): Sums {
    let versions = this.#models.get(name);
    if (versions === undefined) {
      versions = new Map();
      this.#models.set(name, versions);
    }
    let sums = versions.get(version);
    if (sums === undefined) {
      sums = fresh();
      versions.set(version, sums);
    }
    return sums;
  }
}

function fresh(): Sums {
  return {
    ...{ last: 0, samples: 0, batches: 0, bySize: new Map() },
    ...{ success: none(), fail: none(), queue: none(), compute: none(), cached: none() },
  };
}

function count(duration: Duration, ms: number): void {
  add(duration, 1, ms);
}

function add(duration: Duration, times: number, ms: number): void {
  duration.count += times;
  duration.ns += times * ms * 1e6;
}

const whole = ({ count: times, ns }: Duration): Duration => ({
  count: Math.round(times),
  ns: Math.round(ns),
});
