import { quantileSorted } from 'simple-statistics';
import { Random } from '../../base/index.ts';
import type { Interval } from '../record.ts';
import { type Level, normalCdf, normalQuantile, tailOf } from './normal.ts';

export interface BootstrapOptions extends Level {
  readonly seed: number;
  /** 2000 unless told. */
  readonly resamples?: number;
  readonly signal?: AbortSignal;
}

/** A figure of the samples whose numbers (0 <= i < n, repeats allowed) are given. */
export type Statistic = (chosen: Uint32Array) => number;

/** Above this many samples the correction for bias and skew is too small to pay for n more evaluations. */
const JACKKNIFE_LIMIT = 400;

/**
 * Bootstrap interval of a statistic of n samples (Efron 1987): bias-corrected and accelerated up to 400 samples,
 * percentile above or where the correction is not defined. Resamples on which the statistic is not a number (a class
 * missing, say) are left out; where all are, both bounds are NaN. The same seed gives the same interval.
 */
export function bootstrapInterval(n: number, statistic: Statistic, options: BootstrapOptions): Interval {
  const { seed, resamples = 2000, level = 0.95, signal } = options;
  const random = new Random(seed);
  const chosen = new Uint32Array(n);
  const drawn: number[] = [];
  for (let resample = 0; resample < resamples; resample++) {
    if (resample % 64 === 0) signal?.throwIfAborted();
    for (let i = 0; i < n; i++) chosen[i] = random.below(n);
    const value = statistic(chosen);
    if (!Number.isNaN(value)) drawn.push(value);
  }
  const sided = options.oneSided ? ', one-sided' : '';
  if (drawn.length === 0) {
    return {
      low: Number.NaN,
      high: Number.NaN,
      level,
      method: `bootstrap (${resamples} resamples, none usable)`,
    };
  }
  drawn.sort((a, b) => a - b);
  const tail = tailOf(options);
  const corrected = n <= JACKKNIFE_LIMIT ? correction(n, statistic, drawn, tail) : undefined;
  const [low, high] = corrected ?? [tail, 1 - tail];
  return {
    low: quantileSorted(drawn, low),
    high: quantileSorted(drawn, high),
    level,
    method: `bootstrap (${corrected ? 'BCa' : 'percentile'}, ${resamples} resamples${sided})`,
  };
}

/** Interval of first - second, both statistics of the same samples: one draw serves both, so what they share cancels. */
export function pairedBootstrap(
  n: number,
  first: Statistic,
  second: Statistic,
  options: BootstrapOptions,
): Interval {
  const interval = bootstrapInterval(n, (chosen) => first(chosen) - second(chosen), options);
  return { ...interval, method: `paired ${interval.method}` };
}

/** The two quantiles to read instead of tail and 1 - tail (Efron 1987, equations 2.3 and 7.3), or undefined. */
function correction(
  n: number,
  statistic: Statistic,
  sorted: readonly number[],
  tail: number,
): [number, number] | undefined {
  if (n < 2 || sorted[0] === sorted[sorted.length - 1]) return undefined;
  const whole = statistic(Uint32Array.from({ length: n }, (_, i) => i));
  let below = 0;
  for (const value of sorted) below += value < whole ? 1 : value === whole ? 0.5 : 0;
  const bias = normalQuantile(below / sorted.length);
  const left: number[] = [];
  const others = new Uint32Array(n - 1);
  for (let out = 0; out < n; out++) {
    for (let i = 0; i < n - 1; i++) others[i] = i < out ? i : i + 1;
    left.push(statistic(others));
  }
  const mean = left.reduce((sum, value) => sum + value, 0) / n;
  let squares = 0;
  let cubes = 0;
  for (const value of left) {
    squares += (mean - value) ** 2;
    cubes += (mean - value) ** 3;
  }
  const acceleration = cubes / (6 * squares ** 1.5);
  if (!Number.isFinite(bias) || !Number.isFinite(acceleration)) return undefined;
  const shifted = (z: number) => {
    const sum = bias + z;
    const stretch = 1 - acceleration * sum;
    return stretch > 0 ? normalCdf(bias + sum / stretch) : Number.NaN;
  };
  const pair: [number, number] = [shifted(normalQuantile(tail)), shifted(normalQuantile(1 - tail))];
  return pair.every((q) => q >= 0 && q <= 1) && pair[0] < pair[1] ? pair : undefined;
}
