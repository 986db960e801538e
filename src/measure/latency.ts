import type { Progress } from '../base/index.ts';
import type { Feeds } from '../run/index.ts';
import { earlyStoppingQueries, runsForInterval } from './early-stopping.ts';
import type { Looper, LoopTimes } from './loop.ts';
import { thisMachine } from './machine.ts';
import type { Measurement } from './record.ts';
import { type Recorder, recorder, type Settings } from './recorder.ts';
import { bootstrapInterval, quantileInterval } from './statistics/index.ts';
import { type Noise, noiseOf, runWindows, STEADY_WITHIN, sumOf, type WarmUp, warmUp } from './windows.ts';

export interface LatencyOptions {
  /** Wall-clock seconds to measure, after the warm-up. Default 2. */
  readonly seconds?: number;
  /** The warm-up ends here, steady or not. Default 2 seconds. */
  readonly warmUpAtMost?: number;
  /** Samples in one run: what throughput counts. Default 1. */
  readonly samplesPerRun?: number;
  /** Seeds the bootstrap. Default 1. */
  readonly seed?: number;
  /** Goes into every record. */
  readonly settings?: Settings;
  /** Id of the machine. Default: this one. */
  readonly machine?: string;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

export interface LatencyResult {
  /** latency.mean, latency.p50, latency.p90, latency.p99 (ms), throughput (1/s), cpu.per-sample (s), noise (1). */
  readonly records: Measurement[];
  readonly warmUp: WarmUp;
  readonly noise: Noise;
  /** Milliseconds of every run, in order. */
  readonly latencies: Float64Array;
}

const PERCENTILES = [0.5, 0.9, 0.99] as const;
const LEVEL = 0.95;

/**
 * Latency of a model in a closed loop: warm-up until steady, then runs back to back for the given time, timed beside
 * the computation. The same loop gives throughput and CPU time at these settings.
 */
export async function measureLatency(
  session: Looper,
  feeds: readonly Feeds[],
  options: LatencyOptions = {},
): Promise<LatencyResult> {
  const { seconds = 2, samplesPerRun = 1, seed = 1, signal } = options;
  const warm = await warmUp(session, feeds, { atMost: options.warmUpAtMost ?? 2, signal });
  const windows = await runWindows(session, feeds, { ...options, seconds, label: 'latency' });
  const record = recorder(options.machine ?? thisMachine(), options.settings);
  return describeLoop(windows, warm, { samplesPerRun, seed, record });
}

/** Records of a closed loop that was cut into windows. */
export function describeLoop(
  windows: readonly LoopTimes[],
  warm: WarmUp,
  { samplesPerRun, seed, record }: { samplesPerRun: number; seed: number; record: Recorder },
): LatencyResult {
  const latencies = joined(windows);
  const noise = noiseOf(windows);
  const how = `${latencies.length} runs back to back in ${windows.length} windows, ${warmUpSentence(warm)}; ${noise.verdict}`;
  const n = latencies.length;
  const records: Measurement[] = [
    record({
      what: 'latency.mean',
      value: sumOf(latencies) / n,
      unit: 'ms',
      interval: overWindows(windows, ({ latencies: own }) => [sumOf(own), own.length], seed),
      how: 'measured',
      method: `Mean of ${how}.`,
      n,
    }),
  ];
  for (const p of PERCENTILES) {
    const { value, ...interval } = quantileInterval(latencies, p, { level: LEVEL });
    const needed = runsForInterval(p, LEVEL);
    const strict = earlyStoppingQueries(p, 1);
    const few =
      n < needed
        ? ` No interval: ${n} runs are too few, ${needed} are needed.`
        : p > 0.5 && n < strict
          ? ` MLPerf's early stopping would ask for ${strict} runs.`
          : '';
    records.push(
      record({
        what: `latency.p${p * 100}`,
        value,
        unit: 'ms',
        interval: n < needed ? undefined : interval,
        how: 'measured',
        method: `Percentile of ${how}; the interval takes the runs as independent.${few}`,
        n,
      }),
    );
  }
  const wall = sumOf(windows.map(({ wallSeconds }) => wallSeconds));
  const cpu = sumOf(windows.map(({ cpuSeconds }) => cpuSeconds));
  records.push(
    record({
      what: 'throughput',
      value: (n * samplesPerRun) / wall,
      unit: '1/s',
      interval: overWindows(windows, ({ runs, wallSeconds }) => [runs * samplesPerRun, wallSeconds], seed),
      how: 'measured',
      method: `Samples by wall-clock time of ${how}.`,
      n,
    }),
    record({
      what: 'cpu.per-sample',
      value: cpu / (n * samplesPerRun),
      unit: 's',
      interval: overWindows(windows, ({ runs, cpuSeconds }) => [cpuSeconds, runs * samplesPerRun], seed),
      how: 'measured',
      method: `CPU time of the process, all threads, by samples of ${how}.`,
      n,
    }),
  );
  if (noise.dispersion !== undefined) {
    records.push(
      record({
        what: 'noise',
        value: noise.dispersion,
        unit: '1',
        how: 'measured',
        method: `${noise.verdict[0]!.toUpperCase()}${noise.verdict.slice(1)}.`,
        n: windows.length,
      }),
    );
  }
  return { records, warmUp: warm, noise, latencies };
}

/** Interval of sum(a)/sum(b) over windows drawn with replacement; none with fewer than six. */
function overWindows(
  windows: readonly LoopTimes[],
  parts: (window: LoopTimes) => readonly [number, number],
  seed: number,
) {
  if (windows.length < 6) return undefined;
  const pairs = windows.map(parts);
  return bootstrapInterval(
    pairs.length,
    (chosen) => {
      let above = 0;
      let below = 0;
      for (const i of chosen) {
        above += pairs[i]![0];
        below += pairs[i]![1];
      }
      return above / below;
    },
    { seed, level: LEVEL },
  );
}

function warmUpSentence({ runs, steady }: WarmUp): string {
  return steady
    ? `after a warm-up of ${runs} runs until three windows in a row agreed within ${STEADY_WITHIN * 100} %`
    : `after a warm-up of ${runs} runs that did not become steady`;
}

function joined(windows: readonly LoopTimes[]): Float64Array {
  const all = new Float64Array(windows.reduce((sum, { latencies }) => sum + latencies.length, 0));
  let place = 0;
  for (const { latencies } of windows) {
    all.set(latencies, place);
    place += latencies.length;
  }
  return all;
}
