/** Neighbouring bounds differ by 8 %, so that the middle of a bin is within 4 % of everything in it. */
const RATIO = 1.08;
/** ms: what lies below counts as this. */
const LOWEST = 0.01;
/** From 0.01 ms to somewhat more than ten minutes. */
const BINS = 235;
const STEP = Math.log(RATIO);

/**
 * Counts of durations in ms, in bins of equal ratio: two can be added, whereas percentiles cannot be averaged.
 * A quantile is within 4 % of the true one; the highest value is kept as it is.
 */
export class DurationHistogram {
  readonly #counts = new Uint32Array(BINS);
  #total = 0;
  #max = 0;

  add(ms: number): void {
    if (!(ms >= 0)) return;
    this.#counts[binOf(ms)]! += 1;
    this.#total += 1;
    if (ms > this.#max) this.#max = ms;
  }

  merge(other: DurationHistogram): void {
    if (other.#total === 0) return;
    for (let bin = 0; bin < BINS; bin++) this.#counts[bin]! += other.#counts[bin]!;
    this.#total += other.#total;
    this.#max = Math.max(this.#max, other.#max);
  }

  clear(): void {
    if (this.#total === 0) return;
    this.#counts.fill(0);
    this.#total = 0;
    this.#max = 0;
  }

  get total(): number {
    return this.#total;
  }

  /** null where nothing was counted. */
  get max(): number | null {
    return this.#total === 0 ? null : this.#max;
  }

  /** The value that a share of `q` (0 to 1) does not exceed; null where nothing was counted. */
  quantile(q: number): number | null {
    if (this.#total === 0) return null;
    const rank = Math.max(1, Math.ceil(q * this.#total));
    let seen = 0;
    for (let bin = 0; bin < BINS; bin++) {
      seen += this.#counts[bin]!;
      // Beyond the last value that was seen the middle of a bin means nothing.
      if (seen >= rank) return Math.min(middleOf(bin), this.#max);
    }
    return this.#max;
  }

  /** Bins that hold something, ascending. */
  rows(): { upTo: number; count: number }[] {
    const rows: { upTo: number; count: number }[] = [];
    for (const [bin, count] of this.#counts.entries())
      if (count > 0) rows.push({ upTo: upperOf(bin), count });
    return rows;
  }
}

const binOf = (ms: number) =>
  ms <= LOWEST ? 0 : Math.min(BINS - 1, Math.ceil(Math.log(ms / LOWEST) / STEP));
const upperOf = (bin: number) => LOWEST * RATIO ** bin;
/** The value with the same ratio to both bounds. */
const middleOf = (bin: number) => (bin === 0 ? LOWEST : upperOf(bin) / Math.sqrt(RATIO));
