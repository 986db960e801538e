import { type Progress, throwIfAborted } from '../base/index.ts';
import type { Model } from '../graph/index.ts';
import {
  describeMachine,
  type LoopResult,
  openSession,
  PROVIDERS,
  type ProviderName,
  probeProviders,
} from '../run/index.ts';
import type { FeedStore } from './feed-store.ts';
import {
  defaultRunSettings,
  latencySettings,
  type RunSettings,
  sessionSettings,
  throughputSettings,
} from './settings.ts';

export interface TuneOptions {
  readonly cores: number;
  readonly feeds: FeedStore;
  /** Bound on the 99th percentile of a call, ms. */
  readonly p99?: number;
  /** Seconds that one setting is timed, three times. Default 0.15. */
  readonly slice?: number;
  readonly largestBatch?: number;
  readonly progress: Progress;
  readonly signal?: AbortSignal;
}

/** A setting and what it gave in a short closed loop. */
export interface Tried {
  readonly settings: RunSettings;
  readonly throughput: number;
  /** ms */
  readonly p50: number;
  /** ms */
  readonly p99: number;
}

/** Growth that the next larger batch must bring to go on to it. */
const WORTH = 1.05;

/**
 * Finds the settings with the most samples per second whose calls stay within the bound. Batches grow while that pays.
 * Short loops: a first choice, which the paired comparison then confirms or does not.
 */
export async function tuneThroughput(model: Model, options: TuneOptions): Promise<Tried[]> {
  const tried: Tried[] = [];
  const done = new Map<number, Tried>();
  const settings = throughputSettings(options.cores, await largestBatchOf(model, options));
  const stage = options.progress.stage('settings', settings.length);
  try {
    for (const candidate of settings) {
      throwIfAborted(options.signal);
      stage.advance();
      const before = done.get(candidate.instances);
      if (before !== undefined && before.settings.batch < 0) continue;
      const result = await time(model, candidate, options);
      tried.push(result);
      const paid = before === undefined || result.throughput > before.throughput * WORTH;
      const within = options.p99 === undefined || result.p99 <= options.p99;
      // A negative batch marks a row that is done: larger batches would only be slower to answer.
      done.set(
        candidate.instances,
        paid && within ? result : { ...result, settings: { ...candidate, batch: -1 } },
      );
    }
  } finally {
    stage.end();
  }
  return rank(tried, options.p99, (a, b) => b.throughput - a.throughput);
}

/** Finds the settings with the shortest call of one sample. */
export async function tuneLatency(model: Model, options: TuneOptions): Promise<Tried[]> {
  const tried: Tried[] = [];
  for (const candidate of latencySettings(options.cores)) {
    throwIfAborted(options.signal);
    tried.push(await time(model, candidate, options));
  }
  return rank(tried, options.p99, (a, b) => a.p50 - b.p50);
}

let probed: Promise<readonly ProviderName[]> | undefined;

/** Execution providers that really start here, the CPU's first; probed once. */
export function startingProviders(): Promise<readonly ProviderName[]> {
  probed ??= probeProviders({ providers: PROVIDERS.filter((name) => name !== 'cpu') }).then((reports) => [
    'cpu',
    ...reports.filter(({ available }) => available).map(({ provider }) => provider),
  ]);
  return probed;
}

/** True on x64 processors without dot products of 8-bit numbers: their 16-bit sums can saturate. */
export function saturates(): boolean {
  const { arch, features } = describeMachine();
  return arch === 'x64' && !features.some((feature) => /vnni|amx_int8/.test(feature));
}

/** Those within the bound first, each group by the order given. */
function rank(tried: Tried[], p99: number | undefined, order: (a: Tried, b: Tried) => number): Tried[] {
  const late = (row: Tried) => (p99 !== undefined && row.p99 > p99 ? 1 : 0);
  return tried.sort((a, b) => late(a) - late(b) || order(a, b));
}

/** The largest batch to consider: what the options, the model and the data allow. */
export async function largestBatchOf(model: Model, options: TuneOptions): Promise<number> {
  const session = await openSession(model, sessionSettings(defaultRunSettings(1)));
  try {
    return Math.min(options.largestBatch ?? 256, options.feeds.largestBatch(session.inputs));
  } finally {
    await session.dispose();
  }
}

async function time(model: Model, settings: RunSettings, options: TuneOptions): Promise<Tried> {
  const { slice = 0.15, signal } = options;
  const session = await openSession(model, sessionSettings(settings));
  try {
    const batch = options.feeds.batchFor(session.inputs, settings.batch);
    const feeds = await options.feeds.feeds(session.inputs, batch);
    await session.loop(feeds, { seconds: slice / 2, signal });
    const loops: LoopResult[] = [];
    for (let round = 0; round < 3; round++) loops.push(await session.loop(feeds, { seconds: slice, signal }));
    const sorted = Float64Array.from(loops.flatMap(({ latencies }) => [...latencies])).sort();
    // The best of three rounds: a disturbance makes a loop slower, never faster.
    const throughput = Math.max(...loops.map(({ runs, wallSeconds }) => (runs * batch) / wallSeconds));
    return { settings, throughput, p50: at(sorted, 0.5), p99: at(sorted, 0.99) };
  } finally {
    await session.dispose();
  }
}

const at = (sorted: Float64Array, p: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))] ?? Number.NaN;
