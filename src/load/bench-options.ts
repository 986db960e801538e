import { fail, type Progress } from '../base/index.ts';
import type { Dataset } from '../data/index.ts';
import type { SessionSettings } from '../run/index.ts';
import type { ArrivalSpec } from './arrivals/index.ts';
import type { LoadPoint, Scenario } from './result.ts';

export interface BenchOptions {
  readonly scenario: Scenario;
  /** By MLPerf's minimum durations and counts. Default false: the short mode. */
  readonly strict?: boolean;
  /** Time that is measured. Default 10 in short mode, 600 in strict mode; a trace is replayed to its end. */
  readonly seconds?: number;
  /** Before that, not measured. Default a tenth, from 0.5 to 10. */
  readonly warmUpSeconds?: number;
  /** What is sent; random values by the ports without. */
  readonly data?: Dataset;
  /** Sizes of named dimensions, for random values. */
  readonly bindings?: Readonly<Record<string, number>>;
  /** Of arrivals, samples and intervals. Default 1. */
  readonly seed?: number;
  /** Server: when queries arrive. Several rates make a load curve. Poisson where only rates are given. */
  readonly arrivals?: ArrivalSpec;
  readonly rates?: readonly number[];
  /** ms within which 99 % of the queries must be answered. */
  readonly p99?: number;
  /** Server: searches the highest rate that keeps p99. */
  readonly find?: boolean;
  /** ms after its scheduled time at which a query is given up. Default 30,000. */
  readonly timeoutMs?: number;
  /** Server: queries outstanding at once; above, they are recorded as not sent. Default 16,384. */
  readonly maxOutstanding?: number;
  /** Offline: samples a call. Default: what the bundle says, 32 for a model, 1 for a server, which batches itself. */
  readonly batch?: number;
  /** Offline: calls at once. Default: twice the instances, 64 for a server. */
  readonly concurrency?: number;
  /** How a model, or a bundle against its own settings, is opened. */
  readonly settings?: Partial<SessionSettings>;
  /** API key for a server. */
  readonly key?: string;
  /** Which settings of a bundle. Default: latency for single-stream, throughput for the others. */
  readonly bundleSettings?: 'throughput' | 'latency';
  readonly onTrial?: (point: LoadPoint) => void;
  readonly progress?: Progress;
  /** Ends the bench early: what was measured is answered, marked partial. */
  readonly signal?: AbortSignal;
}

/** Options with their defaults. */
export interface Settled extends BenchOptions {
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly seed: number;
  readonly timeoutMs: number;
  readonly maxOutstanding: number;
}

/** Throws USAGE_BAD_OPTION for options that do not go together. */
export function settle(options: BenchOptions): Settled {
  const { scenario, strict = false, rates, arrivals, p99, find } = options;
  const timed = arrivals?.kind === 'trace';
  // A trace lasts as long as it lasts, unless a time is asked for.
  const seconds = options.seconds ?? (timed ? Number.POSITIVE_INFINITY : strict ? 600 : 10);
  const refuse = (why: string, hint?: string) =>
    fail('USAGE_BAD_OPTION', why, hint === undefined ? {} : { hint });
  if (scenario !== 'server') {
    for (const [name, value] of Object.entries({ rate: rates, arrivals, find: find || undefined })) {
      if (value !== undefined) throw refuse(`--${name} is of the server scenario, not of ${scenario}`);
    }
  } else {
    if (find && p99 === undefined) throw refuse('--find needs a bound', 'Give one, such as --p99 20ms.');
    if (find && rates !== undefined) throw refuse('--find looks for the rate, and --rate gives one');
    if (!find && rates === undefined && !timed) {
      throw refuse('the server scenario needs a rate', 'Give --rate 100, or --find with --p99 20ms.');
    }
    if (rates?.length === 0) throw refuse('--rate has no number');
  }
  for (const rate of rates ?? []) if (!(rate > 0)) throw refuse(`a rate must be above 0, not ${rate}`);
  if (!(seconds > 0)) throw refuse(`seconds must be above 0, not ${seconds}`);
  if (p99 !== undefined && !(p99 > 0)) throw refuse(`the bound must be above 0 ms, not ${p99}`);
  return {
    ...options,
    seconds,
    warmUpSeconds: options.warmUpSeconds ?? (timed ? 1 : Math.min(10, Math.max(0.5, seconds / 10))),
    seed: options.seed ?? 1,
    timeoutMs: options.timeoutMs ?? 30_000,
    maxOutstanding: options.maxOutstanding ?? 16_384,
  };
}
