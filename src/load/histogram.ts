/** Bins are so much wider than the one before: 0.2 %, so a value read from them is right within 0.1 %. */
const STEP = Math.log(1.002);

/** Counts of values by logarithmic bins over a fixed range, for quantiles of many resamples. Endless values have a bin of their own. */
export class Histogram {
  readonly #low: number;
  readonly counts: Uint32Array;

  constructor(range: { readonly low: number; readonly bins: number }) {
    this.#low = range.low;
    this.counts = new Uint32Array(range.bins + 1);
  }

  add(value: number): void {
    const bin = Number.isFinite(value)
      ? Math.min(this.counts.length - 2, Math.max(0, Math.floor(Math.log(value / this.#low) / STEP)))
      : this.counts.length - 1;
    this.counts[bin]!++;
  }

  /** Of bins whose counts are given: the value of that rank, counted from 1. */
  valueAt(counts: Uint32Array | Float64Array, rank: number): number {
    let seen = 0;
    for (let bin = 0; bin < counts.length - 1; bin++) {
      seen += counts[bin]!;
      if (seen >= rank) return this.#low * Math.exp((bin + 0.5) * STEP);
    }
    return Number.POSITIVE_INFINITY;
  }
}

/** A range that holds all finite values, which are 0 or more. */
export function rangeOf(sorted: ArrayLike<number>): { low: number; bins: number } {
  let last = sorted.length - 1;
  while (last > 0 && !Number.isFinite(sorted[last]!)) last--;
  const low = Math.max(1e-4, sorted[0] ?? 1);
  const high = Math.max(low, sorted[last] ?? 1);
  return { low, bins: Number.isFinite(high) ? Math.floor(Math.log(high / low) / STEP) + 1 : 1 };
}
