import { rangeOf, roundHalfEven } from '../numbers.ts';
import { BINS, type Histogram } from './histogram.ts';

/** What a tensor was seen to hold, or what is to be kept of it. */
export interface ValueRange {
  readonly low: number;
  readonly high: number;
}

export interface CalibratorOptions {
  /** minmax: averages the ends of the batches instead of taking the outermost. Default false. */
  readonly movingAverage?: boolean;
  /** percentile: the share kept, in percent; the rest is cut, half on each side. Default 99.999. */
  readonly percentile?: number;
}

/** From what was counted to the range that quantization keeps. The result lies within what was observed. */
export type Calibrator = (histogram: Histogram, options: CalibratorOptions) => ValueRange;

/** The ways of choosing a range. */
export const CALIBRATORS = {
  minmax: (histogram, { movingAverage = false }) =>
    movingAverage && histogram.moving !== undefined ? { ...histogram.moving } : seen(histogram),
  percentile: (histogram, { percentile = 99.999 }) => {
    const cut = (100 - percentile) / 200;
    return { low: histogram.quantile(cut), high: histogram.quantile(1 - cut) };
  },
  entropy: leastDivergence,
  mse: leastSquares,
} as const satisfies Record<string, Calibrator>;

export type CalibrationMethod = keyof typeof CALIBRATORS;

function seen(histogram: Histogram): ValueRange {
  return { low: histogram.min, high: histogram.max };
}

/** Levels that entropy compares with: half of 8 bits, as the histogram is of sizes. */
const LEVELS = 128;
/** Most bins of sizes |x| that entropy works on, values that a bin should hold, and candidates that it tries. */
const SIZES = 2048;
const PER_BIN = 64;
const CANDIDATES = 128;

/**
 * The threshold t for which the distribution of |x| clipped to t, and the same in 128 levels, diverge least (Kullback and
 * Leibler; Migacz, "8-bit inference with TensorRT", 2017). The range is [-t, t], cut to what was seen. Exact zeros are
 * left out, as they cost nothing; and few values get few bins, for else the noise of the counts passes for shape.
 */
function leastDivergence(histogram: Histogram): ValueRange {
  const largest = Math.max(-histogram.min, histogram.max);
  if (!(largest > 0)) return seen(histogram);
  const total = histogram.total - histogram.zeros;
  let bins = SIZES;
  while (bins > LEVELS && bins * PER_BIN > total) bins /= 2;
  const sizes = new Float64Array(bins);
  for (const [middle, count] of histogram.bins()) {
    if (middle === 0) continue;
    sizes[Math.min(bins - 1, Math.floor((Math.abs(middle) / largest) * bins))]! += count;
  }
  let best = bins;
  let least = Number.POSITIVE_INFINITY;
  const step = Math.max(1, (bins - LEVELS) / CANDIDATES);
  for (let kept = bins; kept >= LEVELS; kept -= step) {
    const divergence = divergenceAt(sizes, Math.round(kept), total);
    if (divergence < least) [best, least] = [Math.round(kept), divergence];
  }
  const threshold = (best / bins) * largest;
  return { low: Math.max(histogram.min, -threshold), high: Math.min(histogram.max, threshold) };
}

/** KL divergence of the clipped distribution from its version in LEVELS steps. */
function divergenceAt(sizes: Float64Array, kept: number, total: number): number {
  let inside = 0;
  for (let i = 0; i < kept; i++) inside += sizes[i]!;
  const clipped = total - inside;
  let divergence = 0;
  for (let level = 0; level < LEVELS; level++) {
    const from = Math.floor((level * kept) / LEVELS);
    const to = Math.floor(((level + 1) * kept) / LEVELS);
    let mass = 0;
    let used = 0;
    for (let i = from; i < to; i++) {
      mass += sizes[i]!;
      if (sizes[i]! > 0) used++;
    }
    // The reference has what was clipped in its last bin; the quantized version does not know of it.
    const last = to === kept ? clipped : 0;
    if (mass === 0) {
      if (last > 0) return Number.POSITIVE_INFINITY;
      continue;
    }
    const even = mass / used / inside;
    for (let i = from; i < to; i++) {
      const p = (sizes[i]! + (i === kept - 1 ? last : 0)) / total;
      if (p > 0) divergence += p * Math.log(p / (sizes[i]! > 0 ? even : 1e-12));
    }
  }
  return divergence;
}

/** Shares of the outermost value that least squares tries, then the steps of its finer rounds. */
const COARSE = Array.from({ length: 24 }, (_, i) => 1 - i / 25);
const FINE = [0.985, 1.015, 0.97, 1.03, 0.94, 1.06];
const ROUNDS = 6;

/** The range of least squared error of 8-bit asymmetric quantization over the counted values: both ends are searched. */
function leastSquares(histogram: Histogram): ValueRange {
  const observed = { low: Math.min(histogram.min, 0), high: Math.max(histogram.max, 0) };
  const middles = new Float64Array(BINS + 1);
  const counts = new Float64Array(BINS + 1);
  let used = 0;
  for (const [middle, count] of histogram.bins()) {
    middles[used] = middle;
    counts[used++] = count;
  }
  const cost = (range: ValueRange) => squaredError(middles, counts, used, range);
  let best: ValueRange = observed;
  let least = cost(best);
  const consider = (range: ValueRange) => {
    const clipped = { low: Math.max(range.low, observed.low), high: Math.min(range.high, observed.high) };
    if (clipped.high - clipped.low <= 0) return false;
    const error = cost(clipped);
    if (error >= least) return false;
    [best, least] = [clipped, error];
    return true;
  };
  for (const share of COARSE) consider({ low: observed.low * share, high: observed.high * share });
  for (const share of COARSE) consider({ low: observed.low * share, high: best.high });
  for (const share of COARSE) consider({ low: best.low, high: observed.high * share });
  for (let round = 0; round < ROUNDS; round++) {
    let better = false;
    for (const factor of FINE) {
      better = consider({ low: best.low * factor, high: best.high }) || better;
      better = consider({ low: best.low, high: best.high * factor }) || better;
    }
    if (!better) break;
  }
  return best;
}

/** Sum of squared errors of the bins under uint8 parameters for the range. */
export function squaredError(
  middles: Float64Array,
  counts: Float64Array,
  used: number,
  range: ValueRange,
): number {
  const { min, max } = rangeOf('uint8');
  const scale = (range.high - range.low) / (max - min) || 1;
  const zero = roundHalfEven(min - range.low / scale);
  const perScale = 1 / scale;
  let sum = 0;
  for (let i = 0; i < used; i++) {
    let q = Math.round(middles[i]! * perScale) + zero;
    q = Math.max(min, Math.min(max, q));
    const off = middles[i]! - (q - zero) * scale;
    sum += off * off * counts[i]!;
  }
  return sum;
}
