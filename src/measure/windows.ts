import { interquartileRange, median } from 'simple-statistics';
import { type Progress, SILENT, throwIfAborted } from '../base/index.ts';
import type { Feeds } from '../run/index.ts';
import type { Looper, LoopTimes } from './loop.ts';

/** How a warm-up went. */
export interface WarmUp {
  readonly runs: number;
  readonly seconds: number;
  /** The medians of its last three windows lay within `STEADY_WITHIN` of each other. */
  readonly steady: boolean;
  /** Milliseconds of a run: the median of the last window. */
  readonly median: number;
}

/** Largest ratio - 1 among the medians of three windows in a row that counts as steady. */
export const STEADY_WITHIN = 0.05;

export interface WarmUpOptions {
  /** Seconds of a window. Default 0.05. */
  readonly window?: number;
  /** Ends here, steady or not. Default 2 seconds; at least one run is made. */
  readonly atMost?: number;
  readonly signal?: AbortSignal;
}

/**
 * Runs until the time of a run no longer changes: caches filled, memory arenas grown, clocks raised, lazy work done.
 * Steady is when the medians of three windows in a row lie within 5 % of each other.
 */
export async function warmUp(
  session: Looper,
  feeds: readonly Feeds[],
  options: WarmUpOptions = {},
): Promise<WarmUp> {
  const { window = 0.05, atMost = 2, signal } = options;
  const medians: number[] = [];
  let runs = 0;
  let seconds = 0;
  for (;;) {
    throwIfAborted(signal);
    const times = await session.loop(feeds, { seconds: window, signal });
    runs += times.runs;
    seconds += times.wallSeconds;
    medians.push(medianOf(times.latencies));
    const last = medians.slice(-3);
    const steady = last.length === 3 && Math.max(...last) <= Math.min(...last) * (1 + STEADY_WITHIN);
    if (steady || seconds >= atMost) return { runs, seconds, steady, median: last[last.length - 1]! };
  }
}

export interface WindowOptions {
  /** Wall-clock seconds in all. */
  readonly seconds: number;
  /** Windows to divide them into. Default 10. */
  readonly windows?: number;
  readonly label?: string;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

/** A closed loop cut into windows, so that drift and noise show. At least one run; no window without a run. */
export async function runWindows(
  session: Looper,
  feeds: readonly Feeds[],
  options: WindowOptions,
): Promise<LoopTimes[]> {
  const { seconds, windows = 10, label = 'measuring', progress = SILENT, signal } = options;
  const stage = progress.stage(label, windows);
  const all: LoopTimes[] = [];
  try {
    for (let spent = 0; all.length === 0 || (all.length < windows && spent < seconds); ) {
      throwIfAborted(signal);
      const times = await session.loop(feeds, { seconds: seconds / windows, signal });
      all.push(times);
      spent += times.wallSeconds;
      stage.advance();
    }
  } finally {
    stage.end();
  }
  return all;
}

/** How much the machine changed under the measurement. */
export interface Noise {
  /** Interquartile range of the windows' medians over their median; undefined with fewer than four windows. */
  readonly dispersion: number | undefined;
  readonly noisy: boolean;
  /** One sentence with the rule. */
  readonly verdict: string;
}

/** Above this dispersion a machine is called noisy. */
export const NOISY_ABOVE = 0.1;

/** Judges windows of one closed loop; each gives its median run in milliseconds. */
export function noiseOf(windows: readonly LoopTimes[]): Noise {
  const medians = windows.map(({ latencies }) => medianOf(latencies));
  if (medians.length < 4) {
    return {
      dispersion: undefined,
      noisy: false,
      verdict: `${medians.length} windows are too few to judge the noise of the machine`,
    };
  }
  const dispersion = interquartileRange(medians) / median(medians);
  const noisy = !(dispersion <= NOISY_ABOVE);
  const seen = `the interquartile range of the medians of ${medians.length} windows is ${percent(dispersion)} of their median`;
  const verdict = noisy
    ? `the machine is noisy: ${seen}, above ${percent(NOISY_ABOVE)}`
    : `the machine is quiet enough: ${seen}, at most ${percent(NOISY_ABOVE)} is allowed`;
  return { dispersion, noisy, verdict };
}

/** Median of values in any order; they are left alone. */
export function medianOf(values: Float64Array | readonly number[]): number {
  if (values.length === 0) return Number.NaN;
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function sumOf(values: Float64Array | readonly number[]): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}

export function percent(share: number): string {
  return `${Number((share * 100).toPrecision(2))} %`;
}
