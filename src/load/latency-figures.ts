import { bootstrapInterval } from '../measure/index.ts';
import { Histogram, rangeOf } from './histogram.ts';
import type { LatencyFigures, LoadFigure } from './result.ts';

const QUANTILES = { p50: 0.5, p90: 0.9, p95: 0.95, p99: 0.99, p999: 0.999 } as const;
/** Stretches of the run that are drawn anew: queries near each other share their queue, so they are not drawn one by one. */
const BLOCKS = 20;
const RESAMPLES = 400;

/** A value of that rank (nearest rank, as MLPerf's); sorted ascending. */
export function quantileOf(sorted: ArrayLike<number>, q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(sorted.length * q) - 1))] ?? Number.NaN;
}

/** JSON knows no infinity. */
export const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);

/**
 * Percentiles of latencies in the order of time, exact, with 95 % intervals from a bootstrap over stretches of time. Endless
 * latencies are queries that were not answered.
 */
export function latencyFigures(latencies: Float64Array, seed: number): LatencyFigures | undefined {
  if (latencies.length === 0) return undefined;
  const sorted = latencies.slice().sort();
  const range = rangeOf(sorted);
  const blocks = Math.min(BLOCKS, latencies.length);
  const histograms = Array.from({ length: blocks }, () => new Histogram(range));
  const sums = new Float64Array(blocks);
  const sizes = new Float64Array(blocks);
  for (let i = 0; i < latencies.length; i++) {
    const block = Math.floor((i * blocks) / latencies.length);
    histograms[block]!.add(latencies[i]!);
    sums[block]! += latencies[i]!;
    sizes[block]!++;
  }
  const merged = new Float64Array(range.bins + 1);
  const figure = (value: number, statistic: (chosen: Uint32Array) => number): LoadFigure => {
    // Few blocks say nothing of how much they differ.
    if (blocks < BLOCKS) return { value: finite(value) };
    const { low, high } = bootstrapInterval(blocks, statistic, { seed, resamples: RESAMPLES });
    return { value: finite(value), low: finite(Math.min(low, value)), high: finite(Math.max(high, value)) };
  };
  const quantile = (q: number) =>
    figure(quantileOf(sorted, q), (chosen) => {
      merged.fill(0);
      let total = 0;
      for (const block of chosen) {
        const { counts } = histograms[block]!;
        for (let bin = 0; bin < counts.length; bin++) merged[bin]! += counts[bin]!;
        total += sizes[block]!;
      }
      return histograms[0]!.valueAt(merged, Math.ceil(total * q));
    });
  const mean = (chosen: Iterable<number>) => {
    let [sum, size] = [0, 0];
    for (const block of chosen) {
      sum += sums[block]!;
      size += sizes[block]!;
    }
    return sum / size;
  };
  return {
    mean: figure(mean(sums.keys()), mean),
    p50: quantile(QUANTILES.p50),
    p90: quantile(QUANTILES.p90),
    p95: quantile(QUANTILES.p95),
    p99: quantile(QUANTILES.p99),
    p999: quantile(QUANTILES.p999),
    max: { value: finite(sorted[sorted.length - 1]!) },
  };
}

/** Points of the distribution for a chart, denser towards its tail. */
export function cdfOf(latencies: Float64Array): [number, number][] {
  const sorted = latencies.slice().sort();
  const points: [number, number][] = [];
  let last = -1;
  for (let step = 0; step <= 200; step++) {
    // 0, ..., 0.9, ..., 0.99, ...: as many points for every decade of what is left.
    const share = 1 - 10 ** (-step / 40);
    const at = Math.min(sorted.length - 1, Math.floor(share * sorted.length));
    if (at === last) continue;
    last = at;
    const value = sorted[at];
    if (value !== undefined && Number.isFinite(value)) points.push([value, (at + 1) / sorted.length]);
  }
  return points;
}
