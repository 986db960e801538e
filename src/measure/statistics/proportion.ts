import type { Interval } from '../record.ts';
import { type Level, normalQuantile, tailOf } from './normal.ts';

/**
 * Score interval of one proportion in [0, 1] (Wilson 1927): never of zero width, never outside of [0, 1].
 * `successes` of `n` >= 1 trials.
 */
export function wilsonInterval(successes: number, n: number, how: Level = {}): Interval {
  const z = -normalQuantile(tailOf(how));
  const p = successes / n;
  const shrink = 1 + (z * z) / n;
  const centre = (p + (z * z) / (2 * n)) / shrink;
  const half = (z * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n))) / shrink;
  return {
    low: successes <= 0 ? 0 : Math.max(0, centre - half),
    high: successes >= n ? 1 : Math.min(1, centre + half),
    level: how.level ?? 0.95,
    method: `Wilson score${how.oneSided ? ', one-sided' : ''}`,
  };
}

/** What two yes-or-no answers to the same n questions share and do not share. */
export interface PairedCounts {
  /** Pairs where only the first succeeded. */
  readonly onlyFirst: number;
  /** Pairs where only the second succeeded. */
  readonly onlySecond: number;
  /** All pairs, >= 1. */
  readonly n: number;
}

/**
 * Tango's score statistic of the hypothesis that first - second = delta; |delta| < 1 or discordant pairs present.
 * The nuisance share of 'only second' is put at its most likely value under the hypothesis, a root of a quadratic.
 */
export function pairedScore({ onlyFirst: b, onlySecond: c, n }: PairedCounts, delta: number): number {
  const linear = -b - c + (2 * n - b + c) * delta;
  const constant = -c * delta * (1 - delta);
  const q = (Math.sqrt(Math.max(0, linear * linear - 8 * n * constant)) - linear) / (4 * n);
  const variance = n * (2 * q + delta * (1 - delta));
  const distance = b - c - n * delta;
  if (variance > 0) return distance / Math.sqrt(variance);
  return distance === 0 ? 0 : Math.sign(distance) * Number.POSITIVE_INFINITY;
}

/**
 * Interval of the difference first - second of two paired proportions, in [-1, 1]: the score interval of Tango (1998),
 * "Equivalence test and confidence interval for the difference in proportions for the paired-sample design",
 * Statistics in Medicine 17:891-908. It keeps a width where the pairs agree throughout (z²/(n+z²) to each side).
 */
export function pairedProportionInterval(counts: PairedCounts, how: Level = {}): Interval {
  const z = -normalQuantile(tailOf(how));
  const estimate = (counts.onlyFirst - counts.onlySecond) / counts.n;
  // The statistic falls from +inf to -inf as delta grows from -1 to 1, so each bound is where it crosses +-z.
  const crossing = (target: number, from: number, to: number) => {
    let [low, high] = [from, to];
    for (let step = 0; step < 60; step++) {
      const middle = (low + high) / 2;
      if (pairedScore(counts, middle) > target) low = middle;
      else high = middle;
    }
    return (low + high) / 2;
  };
  return {
    low: counts.onlySecond === counts.n ? -1 : crossing(z, -1, estimate),
    high: counts.onlyFirst === counts.n ? 1 : crossing(-z, estimate, 1),
    level: how.level ?? 0.95,
    method: `Tango score, paired${how.oneSided ? ', one-sided' : ''}`,
  };
}
