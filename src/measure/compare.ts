import { fail } from '../base/index.ts';
import { thisMachine } from './machine.ts';
import type { Interval, Measurement } from './record.ts';
import { recorder, type Settings } from './recorder.ts';
import { type Contestant, type RoundOptions, runRounds, type Slice } from './rounds.ts';
import { bootstrapInterval, quantileInterval } from './statistics/index.ts';
import { medianOf, percent } from './windows.ts';

export interface CompareOptions extends RoundOptions {
  /** Settings that go into the records of the contestant at the same place. */
  readonly settings?: readonly Settings[];
  /** Differences up to this are none: see `verdictOf`. Default 0.02. */
  readonly margin?: number;
  /** Confidence level of every interval. Default 0.95. */
  readonly level?: number;
  /** Id of the machine. Default: this one. */
  readonly machine?: string;
}

/** One contestant against the first. Ratios are its own figure by the first one's. */
export interface Comparison {
  readonly name: string;
  /** latency.p50 (ms per run). */
  readonly latency: Measurement;
  /** Samples per second. */
  readonly throughput: Measurement;
  /** CPU seconds per sample, all threads. */
  readonly cpu: Measurement;
  /** Below 1: faster than the first. Per run, whatever the samples in it. */
  readonly latencyRatio: Measurement;
  /** Above 1: more samples per second than the first. */
  readonly throughputRatio: Measurement;
  /** Above 1: more samples per second at the median run than the first. Steadier than throughput on a shared machine. */
  readonly speedRatio: Measurement;
  /** Below 1: less CPU time per sample than the first. */
  readonly cpuRatio: Measurement;
  /** By the whole intervals: see `verdictOf`. */
  readonly verdict: 'faster' | 'slower' | 'unclear';
}

export interface ComparedPairs {
  /** In the order given; the first is compared with itself: ratios of exactly 1. */
  readonly contestants: readonly Comparison[];
  readonly rounds: number;
  readonly sliceSeconds: number;
  readonly records: readonly Measurement[];
}

/**
 * Compares sessions paired and interleaved: they take turns in short slices within one run, in a seeded random order,
 * and each is compared with the first within every round. Differences of the machine between rounds cancel. The ratio
 * is the median over the rounds of the ratio of the two slices; its interval is a bootstrap over the rounds (with
 * fewer than six rounds, which `minRounds` must allow, their range at the level that it has).
 * Throws USAGE_BAD_OPTION without contestants; what a session throws passes through.
 */
export async function comparePaired(
  contestants: readonly Contestant[],
  options: CompareOptions,
): Promise<ComparedPairs> {
  if (contestants.length === 0) throw fail('USAGE_BAD_OPTION', 'there is nothing to compare');
  const machine = options.machine ?? thisMachine();
  const { rounds, sliceSeconds, warmUps } = await runRounds(contestants, options);
  const { seed, level = 0.95 } = options;
  const scene = `${rounds.length} rounds of slices of ${Math.round(sliceSeconds * 1000)} ms, taking turns in random order${
    warmUps.every(({ steady }) => steady) ? '' : ', after a warm-up that did not become steady for all'
  }`;
  const at = new Date().toISOString();
  const compared = contestants.map(({ name, samplesPerRun = 1 }, i): Comparison => {
    const firstSamples = contestants[0]!.samplesPerRun ?? 1;
    const record = recorder(machine, { ...options.settings?.[i], contestant: name }, at);
    const against = recorder(
      machine,
      { ...options.settings?.[i], contestant: name, against: contestants[0]!.name },
      at,
    );
    const figure = (what: string, unit: string, method: string, value: (slice: Slice) => number) =>
      record({
        what,
        unit,
        ...medianOver(
          rounds.map((round) => value(round[i]!)),
          seed,
          level,
        ),
        how: 'measured',
        method: `${method}; ${scene}.`,
        n: rounds.length,
      });
    const ratio = (what: string, method: string, value: (slice: Slice, samples: number) => number) =>
      against({
        what,
        unit: '1',
        ...medianOver(
          rounds.map((round) => value(round[i]!, samplesPerRun) / value(round[0]!, firstSamples)),
          seed,
          level,
        ),
        how: 'measured',
        method: `${method} by that of ${contestants[0]!.name}: median of the ratios within ${scene}.`,
        n: rounds.length,
      });
    const throughputRatio = ratio(
      'throughput.ratio',
      'Samples per second',
      (slice, samples) => slice.runsPerSecond * samples,
    );
    const speedRatio = ratio(
      'speed.ratio',
      'Samples per second at the median run',
      (slice, samples) => slice.steadyPerSecond * samples,
    );
    return {
      name,
      latency: figure('latency.p50', 'ms', 'Median over rounds of the median run', (slice) => slice.median),
      throughput: figure(
        'throughput',
        '1/s',
        'Median over rounds of samples per second',
        (slice) => slice.runsPerSecond * samplesPerRun,
      ),
      cpu: figure(
        'cpu.per-sample',
        's',
        'Median over rounds of the CPU time of the process by samples',
        (slice) => slice.cpuPerRun / samplesPerRun,
      ),
      latencyRatio: ratio('latency.ratio', 'Median run', (slice) => slice.median),
      throughputRatio,
      speedRatio,
      cpuRatio: ratio('cpu.ratio', 'CPU time per sample', (slice, samples) => slice.cpuPerRun / samples),
      verdict: verdictOf(speedRatio.interval, throughputRatio.interval, options.margin),
    };
  });
  return {
    contestants: compared,
    rounds: rounds.length,
    sliceSeconds,
    records: compared.flatMap((one, i) => [
      one.latency,
      one.throughput,
      one.cpu,
      ...(i === 0 ? [] : [one.latencyRatio, one.throughputRatio, one.speedRatio, one.cpuRatio]),
    ]),
  };
}

/**
 * Two sessions of one and the same model differ by up to about a percent, by where their memory lies: measured on pairs of
 * copies. Differences within this are no differences.
 */
export const ALIKE_WITHIN = 0.02;

/**
 * 'slower': the whole interval of the speed at the median run lies below 1 by more than the margin. 'faster': it lies above 1
 * by more than that, and the interval of the throughput, which a busy machine disturbs more, not below 1. Else 'unclear',
 * also without an interval.
 */
export function verdictOf(
  speed: Interval | undefined,
  throughput: Interval | undefined,
  margin = ALIKE_WITHIN,
): Comparison['verdict'] {
  if (speed === undefined || throughput === undefined) return 'unclear';
  if (speed.high < 1 - margin) return 'slower';
  return speed.low > 1 + margin && throughput.high >= 1 ? 'faster' : 'unclear';
}

/** A sentence for people: "int8 runs 2.9 times as many samples per second as fp32 (2.8 to 3.0)". */
export function sayRatio(comparison: Comparison, against: string): string {
  const { value, interval } = comparison.speedRatio;
  const bounds = interval
    ? ` (${percent(interval.level)}: ${show(interval.low)} to ${show(interval.high)})`
    : '';
  return `${comparison.name} answers ${show(value)} times as many samples per second as ${against}${bounds}`;
}

function show(ratio: number): string {
  return ratio.toPrecision(3);
}

/** Median of the figures of the rounds, and its interval. */
function medianOver(
  values: readonly number[],
  seed: number,
  level: number,
): { value: number; interval: Interval | undefined } {
  const value = medianOf(values);
  if (values.length >= 6) {
    if (values.every((one) => one === value)) {
      return { value, interval: { low: value, high: value, level, method: 'all rounds alike' } };
    }
    const buffer = new Float64Array(values.length);
    const median = (chosen: Uint32Array) => {
      // The jackknife draws one fewer.
      const drawn = buffer.subarray(0, chosen.length);
      for (let i = 0; i < chosen.length; i++) drawn[i] = values[chosen[i]!]!;
      drawn.sort();
      const middle = drawn.length >> 1;
      return drawn.length % 2 === 1 ? drawn[middle]! : (drawn[middle - 1]! + drawn[middle]!) / 2;
    };
    const interval = bootstrapInterval(values.length, median, { seed, level });
    return { value, interval };
  }
  if (values.length < 2) return { value, interval: undefined };
  // The range of n values holds the median of what they were drawn from with probability 1 - 2^(1-n).
  const { low, high } = quantileInterval(values, 0.5, { level });
  const holds = 1 - 2 ** (1 - values.length);
  return { value, interval: { low, high, level: holds, method: `range of ${values.length} rounds` } };
}
