import { type Progress, Random, SILENT, throwIfAborted } from '../base/index.ts';
import type { Feeds } from '../run/index.ts';
import type { Looper, LoopTimes } from './loop.ts';
import { medianOf, sumOf, type WarmUp, warmUp } from './windows.ts';

/** One of those that are compared. */
export interface Contestant {
  readonly name: string;
  readonly session: Looper;
  readonly feeds: readonly Feeds[];
  /** Samples in one run; a batch of 8 counts 8. Default 1. */
  readonly samplesPerRun?: number;
}

/** What one contestant did in one slice. */
export interface Slice {
  /** Milliseconds of the runs that count, those of the lead-in left out. */
  readonly latencies: Float64Array;
  /** Median of them. */
  readonly median: number;
  /** Runs that count by the seconds they took, concurrent instances together. */
  readonly runsPerSecond: number;
  /**
   * Runs per second if every run took the median: a run during which the scheduler gave the core to someone else weighs
   * as much as any other, which on a shared machine is what tells contestants apart.
   */
  readonly steadyPerSecond: number;
  /** CPU seconds by run, over the whole slice. */
  readonly cpuPerRun: number;
}

export interface RoundOptions {
  /** Wall-clock seconds for all contestants together, without the warm-up. */
  readonly seconds: number;
  readonly seed: number;
  /** Seconds of a slice. Default 0.03; longer where that is less than three runs. */
  readonly slice?: number;
  /** Rounds to make even if they take longer than `seconds`. Default 6. */
  readonly minRounds?: number;
  /** The warm-up of each contestant ends here. Default 1 second. */
  readonly warmUpAtMost?: number;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

/** Milliseconds at the start of a slice that do not count: caches still hold the other's data, its idle threads still spin. */
const LEAD_IN = 2;

/** Leaves the lead-in out: the runs begun in its first 2 ms, at least one, at most a quarter of the slice. */
export function sliceOf(times: LoopTimes): Slice {
  const { latencies, wallSeconds, cpuSeconds, runs } = times;
  // How many runs were under way at a time, on average: about the number of instances.
  const parallel = sumOf(latencies) / (wallSeconds * 1000);
  let skip = 0;
  for (let spent = 0; skip < Math.floor(latencies.length / 4); skip++) {
    if (skip >= 1 && spent / Math.max(1, parallel) >= LEAD_IN) break;
    spent += latencies[skip]!;
  }
  const counted = latencies.subarray(skip);
  const median = medianOf(counted);
  return {
    latencies: counted,
    median,
    steadyPerSecond: (parallel * 1000) / median,
    runsPerSecond: (parallel * counted.length * 1000) / sumOf(counted),
    cpuPerRun: cpuSeconds / runs,
  };
}

export interface Rounds {
  /** [round][contestant]; in every round every contestant ran one slice. */
  readonly rounds: readonly (readonly Slice[])[];
  readonly warmUps: readonly WarmUp[];
  readonly sliceSeconds: number;
}

/**
 * Lets the contestants take turns in short slices, so that whatever the machine does meanwhile (clocks, neighbours,
 * heat) meets all of them alike. The order is drawn anew for every second round, which the next one runs backwards:
 * a steady drift cancels too.
 */
export async function runRounds(contestants: readonly Contestant[], options: RoundOptions): Promise<Rounds> {
  const { seconds, seed, minRounds = 6, progress = SILENT, signal } = options;
  const warmUps: WarmUp[] = [];
  for (const { session, feeds } of contestants) {
    warmUps.push(await warmUp(session, feeds, { atMost: options.warmUpAtMost ?? 1, signal }));
  }
  // Three runs of the slowest: all get the same time, so that none is favoured by what a slice does to a cache.
  const slowest = Math.max(...warmUps.map((warm) => warm.median)) / 1000;
  const sliceSeconds = Math.max(
    options.slice ?? 0.03,
    Math.min(3 * slowest, seconds / contestants.length / minRounds),
  );
  const planned = Math.max(
    minRounds,
    Math.floor(seconds / (contestants.length * Math.max(sliceSeconds, slowest))),
  );
  const random = new Random(seed);
  const order = contestants.map((_, i) => i);
  const stage = progress.stage('comparing', planned);
  const rounds: Slice[][] = [];
  const started = performance.now();
  try {
    while (rounds.length < minRounds || (performance.now() - started) / 1000 < seconds) {
      if (rounds.length % 2 === 0) random.shuffle(order);
      else order.reverse();
      const slices = new Array<Slice>(contestants.length);
      for (const i of order) {
        throwIfAborted(signal);
        const { session, feeds } = contestants[i]!;
        slices[i] = sliceOf(await session.loop(feeds, { seconds: sliceSeconds, signal }));
      }
      rounds.push(slices);
      if (rounds.length <= planned) stage.advance();
    }
  } finally {
    stage.end();
  }
  return { rounds, warmUps, sliceSeconds };
}
