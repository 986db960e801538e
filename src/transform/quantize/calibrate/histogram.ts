/** Most bins in use. Between half of them and all are, once values of both ends were seen. */
export const BINS = 4096;

/**
 * Counts of the values of one tensor, in one pass and bounded memory. Bins are whole multiples of a power of two wide and
 * begin at whole multiples of it, so that widening merges neighbours exactly: the result depends on the values alone,
 * not on their order or batches. Exact zeros are counted apart (ReLU makes many). Values that are not finite are
 * counted and left out.
 */
export class Histogram {
  /** Width of a bin: a power of two. */
  width = 0;
  /** Bin 0 of `counts` begins at first * width. */
  first = 0;
  counts = new Float64Array(BINS);
  /** Finite values seen, zeros included. */
  total = 0;
  zeros = 0;
  notFinite = 0;
  min = Number.POSITIVE_INFINITY;
  max = Number.NEGATIVE_INFINITY;
  /** Exponential moving averages of the ends of each batch; undefined before the first. */
  moving: { low: number; high: number } | undefined;
  readonly #rate: number;

  /** @param movingRate weight of a new batch in the moving averages */
  constructor(movingRate = 0.01) {
    this.#rate = movingRate;
  }

  /** Takes the values of one batch. */
  add(values: Float32Array): void {
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      if (value - value !== 0) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
    if (low > high) {
      this.notFinite += values.length;
      return;
    }
    this.#cover(low, high);
    this.#average(low, high);
    const perWidth = 1 / this.width;
    const { counts, first } = this;
    let seen = 0;
    let zeros = 0;
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      if (value - value !== 0) continue;
      seen++;
      if (value === 0) zeros++;
      else counts[Math.floor(value * perWidth) - first]! += 1;
    }
    this.total += seen;
    this.zeros += zeros;
    this.notFinite += values.length - seen;
  }

  #average(low: number, high: number): void {
    const { moving } = this;
    if (moving === undefined) this.moving = { low, high };
    else {
      moving.low += (low - moving.low) * this.#rate;
      moving.high += (high - moving.high) * this.#rate;
    }
  }

  #cover(low: number, high: number): void {
    const min = Math.min(this.min, low);
    const max = Math.max(this.max, high);
    if (min === this.min && max === this.max) return;
    this.min = min;
    this.max = max;
    const width = binWidth(min, max);
    const first = Math.floor(min / width);
    if (this.total > 0 && (width !== this.width || first !== this.first)) {
      const moved = new Float64Array(BINS);
      const ratio = this.width / width;
      for (let i = 0; i < BINS; i++) {
        if (this.counts[i] !== 0) moved[Math.floor((i + this.first) * ratio) - first]! += this.counts[i]!;
      }
      this.counts = moved;
    }
    this.width = width;
    this.first = first;
  }

  /** The bins in use, ascending: middle of the bin and its count; exact zeros come as one at 0. */
  *bins(): Generator<readonly [middle: number, count: number]> {
    let zeros = this.zeros;
    for (let i = 0; i < BINS; i++) {
      if (zeros > 0 && i + this.first >= 0) {
        yield [0, zeros];
        zeros = 0;
      }
      if (this.counts[i] !== 0) yield [(i + this.first + 0.5) * this.width, this.counts[i]!];
    }
    if (zeros > 0) yield [0, zeros];
  }

  /** The value that a share of all values does not exceed, to a bin's width, and within [min, max]. */
  quantile(share: number): number {
    const wanted = share * this.total;
    let below = 0;
    for (const [middle, count] of this.bins()) {
      if (below + count >= wanted && count > 0) {
        if (middle === 0) return 0;
        const inside = (wanted - below) / count;
        const value = middle + (inside - 0.5) * this.width;
        return Math.min(this.max, Math.max(this.min, value));
      }
      below += count;
    }
    return this.max;
  }
}

/** The smallest power of two with which [min, max] takes at most BINS bins. */
function binWidth(min: number, max: number): number {
  // A subnormal width would overflow its inverse.
  const span = Math.max(max - min, Math.abs(min) * 2 ** -40, Math.abs(max) * 2 ** -40, 2 ** -900);
  let width = 2 ** Math.floor(Math.log2(span / BINS));
  while (Math.floor(max / width) - Math.floor(min / width) >= BINS) width *= 2;
  return width;
}
