import { Ratios } from './ratios.ts';

export interface CurveOptions {
  /** Samples that a batch may have. */
  readonly maxBatch: number;
  /** The highest quantile that `high` may be. Default 0.99. */
  readonly quantile?: number;
}

/** ms that a batch of a size takes. */
export interface CurvePoint {
  readonly batch: number;
  readonly mean: number;
  readonly high: number;
  /** Batches of about this size that were seen. */
  readonly seen: number;
}

interface Bucket {
  /** Means of the batches in it, fading. */
  size: number;
  ms: number;
  weight: number;
  seen: number;
}

/** A bucket's mean is that of about so many last batches. */
const MEMORY = 20;
/** The whole machine may have become slower: the pace of the last 20 batches or so, beyond what is chance, is shared with all other sizes. */
const PACE = 0.05;
const CHANCE = 0.08;
const SHARED = 0.04;
/** A time beyond so many times the high quantile counts as that: one stall must not move a mean. */
const CLIP = 1.5;
/** Of a batch of one, the part that does not grow with the size, as long as only one size was seen. */
const FIXED = 0.5;
/** The quantiles that `high` can be, and how dear a margin is: see `worthwhile`. */
const QUANTILES = [0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999];
const DEAR = 0.3;
/** Ratios before so many batches speak of a curve that is not known yet. */
const YOUNG = 3;

/**
 * How long a batch takes on this machine by its size, with its spread, learned from the batches that are run. Sizes up to 8 each have
 * a bucket, larger ones four an octave; between buckets it is a line, beyond the largest the last slope goes on. The spread is that of
 * the ratios of observed to expected, over all sizes. What was seen fades as new batches come.
 */
export class ServiceCurve {
  readonly maxBatch: number;
  readonly #quantile: number;
  readonly #buckets: (Bucket | undefined)[] = [];
  readonly #ratios = new Ratios();
  #seen = 0;
  /** Logarithm of observed over expected, of late. */
  #pace = 0;
  /** Means by size, from 1; rebuilt when asked after something was seen. */
  readonly #means: Float64Array;
  #knots: readonly { readonly size: number; readonly ms: number }[] = [];
  #spread = 1.25;
  #stale = true;

  constructor({ maxBatch, quantile = 0.99 }: CurveOptions) {
    this.maxBatch = maxBatch;
    this.#quantile = quantile;
    this.#means = new Float64Array(maxBatch + 1);
  }

  /** Batches seen. */
  get seen(): number {
    return this.#seen;
  }

  /** The largest size seen, about; 0: none. */
  get largest(): number {
    return this.#buckets.length === 0 ? 0 : Math.round(this.#buckets.at(-1)!.size);
  }

  /** A batch of `size` samples took so many ms, from the start to the answer. */
  observe(size: number, ms: number): void {
    if (!(ms > 0) || !(size >= 1)) return;
    const at = bucketOf(size);
    const known = this.#buckets[at];
    const expected = this.mean(size);
    const trusted = this.#seen >= YOUNG && expected > 0;
    const ratio = trusted ? ms / expected : 1;
    if (trusted && known !== undefined && known.weight >= YOUNG) this.#ratios.add(ratio);
    const counted = trusted && known !== undefined ? expected * Math.min(ratio, CLIP * this.#spread) : ms;
    if (trusted) this.#drift(Math.log(counted / expected), at);
    const bucket = known ?? { size, ms: counted, weight: 0, seen: 0 };
    bucket.weight = Math.min(MEMORY, bucket.weight + 1);
    bucket.size += (size - bucket.size) / bucket.weight;
    bucket.ms += (counted - bucket.ms) / bucket.weight;
    bucket.seen++;
    this.#buckets[at] = bucket;
    this.#seen++;
    this.#stale = true;
  }

  /** ms expected; 0 as long as nothing was seen. */
  mean(size: number): number {
    this.#rebuild();
    return size <= this.maxBatch ? this.#means[size]! : this.#read(size);
  }

  /** ms that a batch stays below nearly always: the highest quantile that is worth being careful for. */
  high(size: number): number {
    return this.mean(size) + this.margin(size);
  }

  /** high - mean. */
  margin(size: number): number {
    const mean = this.mean(size);
    const known = this.#knots.at(-1);
    if (known === undefined) return 0;
    // Of sizes never seen the worst is assumed: as long again for every sample.
    const worst = size > 2 * known.size ? Math.max(mean, (known.ms * size) / known.size) : mean;
    return worst * this.#spread - mean;
  }

  /** The size up to `limit` with the most samples a ms: the smallest of those within half a percent of it. */
  best(limit: number = this.maxBatch): number {
    this.#rebuild();
    if (this.#knots.length === 0) return limit;
    // Twice the largest seen is tried at most, so that nothing rests on a line that nobody has looked at.
    const most = Math.max(1, Math.min(limit, this.maxBatch, 2 * this.largest));
    let rate = 0;
    for (let n = 1; n <= most; n++) rate = Math.max(rate, n / this.#means[n]!);
    for (let n = 1; n < most; n++) if (n / this.#means[n]! >= 0.995 * rate) return n;
    return most;
  }

  points(): CurvePoint[] {
    return this.#buckets.flatMap((bucket) => {
      if (bucket === undefined) return [];
      const batch = Math.round(bucket.size);
      return [{ batch, mean: this.mean(batch), high: this.high(batch), seen: bucket.seen }];
    });
  }

  #drift(log: number, except: number): void {
    this.#pace += (log - this.#pace) * PACE;
    if (Math.abs(this.#pace) < CHANCE) return;
    const factor = Math.exp(this.#pace * SHARED);
    for (const [i, bucket] of this.#buckets.entries()) {
      if (bucket !== undefined && i !== except) bucket.ms *= factor;
    }
  }

  #rebuild(): void {
    if (!this.#stale) return;
    this.#stale = false;
    this.#knots = rising(this.#buckets.flatMap((bucket) => bucket ?? []));
    this.#spread = worthwhile(this.#ratios, this.#quantile);
    for (let n = 1; n <= this.maxBatch; n++) this.#means[n] = this.#read(n);
  }

  #read(size: number): number {
    const knots = this.#knots;
    const [first, last] = [knots[0], knots.at(-1)];
    if (first === undefined || last === undefined) return 0;
    if (size >= last.size) {
      // Of the last octave: two neighbours alone are mostly noise.
      const before = knots.findLast((knot) => knot.size <= last.size / 2) ?? first;
      const most = last.ms / last.size;
      const slope = before === last ? (1 - FIXED) * most : (last.ms - before.ms) / (last.size - before.size);
      return last.ms + (size - last.size) * Math.min(most, Math.max(slope, most / 10));
    }
    if (size <= first.size) {
      const least = first.ms / first.size;
      const next = knots[1];
      const slope =
        next === undefined
          ? (1 - FIXED) * least
          : Math.min(least, (next.ms - first.ms) / (next.size - first.size));
      return first.ms - (first.size - size) * slope;
    }
    const after = knots.findIndex((knot) => knot.size > size);
    const [from, to] = [knots[after - 1]!, knots[after]!];
    return from.ms + ((size - from.size) / (to.size - from.size)) * (to.ms - from.ms);
  }
}

function bucketOf(size: number): number {
  return size <= 8 ? Math.round(size) - 1 : 7 + Math.floor(4 * Math.log2(size / 8) + 1e-9) + 1;
}

/** Knots that never fall: neighbours that do are pooled by their weights (pool adjacent violators). */
function rising(buckets: readonly Bucket[]): { size: number; ms: number }[] {
  const pools: { ms: number; weight: number; sizes: number[] }[] = [];
  for (const { size, ms, weight } of buckets) {
    let pool = { ms, weight, sizes: [size] };
    for (let last = pools.at(-1); last !== undefined && last.ms > pool.ms; last = pools.at(-1)) {
      pools.pop();
      const sum = last.weight + pool.weight;
      pool = {
        ms: (last.ms * last.weight + pool.ms * pool.weight) / sum,
        weight: sum,
        sizes: [...last.sizes, ...pool.sizes],
      };
    }
    pools.push(pool);
  }
  return pools.flatMap(({ ms, sizes }) => sizes.map((size) => ({ size, ms })));
}

/**
 * The ratio to be prepared for. A high quantile lets more promises be kept, but whoever plans with it makes fewer; where stalls are rare but
 * long, being prepared for them would leave nothing to promise.
 */
function worthwhile(ratios: Ratios, highest: number): number {
  let [best, worth] = [1, 0];
  for (const q of QUANTILES) {
    if (q > highest && worth > 0) break;
    const ratio = Math.max(1, ratios.quantile(q));
    if (q / ratio ** DEAR > worth) [best, worth] = [ratio, q / ratio ** DEAR];
  }
  return best;
}
