import { gammaln } from 'simple-statistics';
import type { Interval } from './record.ts';

/**
 * The pmf of Binomial(n, p) around its mean, where all but 1e-20 of it lies: `masses[i]` is P(B = first + i).
 */
function binomialMasses(n: number, p: number): { first: number; masses: Float64Array } {
  const spread = 10 * Math.sqrt(n * p * (1 - p)) + 45;
  const first = Math.max(0, Math.floor(n * p - spread));
  const last = Math.min(n, Math.ceil(n * p + spread));
  const masses = new Float64Array(last - first + 1);
  const whole = gammaln(n + 1);
  for (let k = first; k <= last; k++) {
    const log = whole - gammaln(k + 1) - gammaln(n - k + 1) + k * Math.log(p) + (n - k) * Math.log1p(-p);
    masses[k - first] = Math.exp(log);
  }
  return { first, masses };
}

/** P(B <= k) for B ~ Binomial(n, p), 0 < p < 1. */
export function binomialCdf(k: number, n: number, p: number): number {
  if (k < 0) return 0;
  if (k >= n) return 1;
  const { first, masses } = binomialMasses(n, p);
  let sum = 0;
  for (let i = first; i <= Math.min(k, first + masses.length - 1); i++) sum += masses[i - first]!;
  return Math.min(1, sum);
}

/** The p-quantile of ascending values by nearest rank: the smallest value that a share p of them does not exceed. */
export function percentileOf(sorted: ArrayLike<number>, p: number): number {
  return sorted[Math.min(sorted.length, Math.max(1, Math.ceil(p * sorted.length - 1e-9))) - 1] ?? Number.NaN;
}

/**
 * The distribution-free interval of a quantile: the order statistics x(l), x(u) with
 * P(B < l) <= (1 - level)/2 and P(B >= u) <= (1 - level)/2 for B ~ Binomial(n, p) (David and Nagaraja, Order Statistics,
 * 7.1). Undefined where n is too small for two bounds. Takes the values as independent.
 */
export function percentileInterval(sorted: ArrayLike<number>, p: number, level = 0.95): Interval | undefined {
  const n = sorted.length;
  if (n === 0) return undefined;
  const tail = (1 - level) / 2;
  const { first, masses } = binomialMasses(n, p);
  let below = 0;
  let low = 0;
  // The largest l with P(B <= l - 1) <= tail.
  for (let i = 0; i < masses.length && below + masses[i]! <= tail; i++) {
    below += masses[i]!;
    low = first + i + 1;
  }
  let above = 0;
  let high = n + 1;
  // The smallest u with P(B >= u) <= tail.
  for (let i = masses.length - 1; i >= 0 && above + masses[i]! <= tail; i--) {
    above += masses[i]!;
    high = first + i;
  }
  if (low < 1 || high > n) return undefined;
  return { low: sorted[low - 1]!, high: sorted[high - 1]!, level, method: 'order statistics (binomial)' };
}

/** Runs that the interval of a p-quantile needs at least: both bounds must be values that were seen. */
export function runsForInterval(p: number, level = 0.95): number {
  const tail = (1 - level) / 2;
  return Math.ceil(Math.max(Math.log(tail) / Math.log(p), Math.log(tail) / Math.log1p(-p)) - 1e-9);
}

/**
 * MLPerf LoadGen's early stopping: the number of queries with which `over` of them above a bound still show, at
 * `confidence`, that a share p of all queries lies within the bound: the least n with P(B <= over) <= 1 - confidence,
 * B ~ Binomial(n, 1 - p) (mlcommons/inference_policies, inference_rules, "Early stopping"; tolerance d = 0).
 */
export function earlyStoppingQueries(p: number, over: number, confidence = 0.99): number {
  let low = over;
  let high = over + 1;
  const enough = (n: number) => binomialCdf(over, n, 1 - p) <= 1 - confidence;
  while (!enough(high)) {
    low = high;
    high *= 2;
  }
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (enough(middle)) high = middle;
    else low = middle;
  }
  return high;
}

/**
 * MLPerf's early-stopping estimate of a quantile: with the most overlatency queries t that n allows, the t-1 highest
 * values are put aside and the highest left is reported. Undefined below the queries for t = 1 (64 at p90, 662 at p99).
 */
export function earlyStoppingEstimate(
  sorted: ArrayLike<number>,
  p: number,
  confidence = 0.99,
): number | undefined {
  const n = sorted.length;
  let t = 0;
  for (let step = 1 << 20; step > 0; step >>= 1) {
    if (t + step < n && earlyStoppingQueries(p, t + step, confidence) <= n) t += step;
  }
  return t === 0 ? undefined : sorted[n - t];
}
