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
  /** Only settings next to these: as many instances, a batch up to four times as large or small. */
  readonly near?: RunSettings;
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
  const largest = Math.min(options.largestBatch ?? 256, await largestBatchOf(model, options));
  const { near } = options;
  const settings = throughputSettings(options.cores, largest).filter(
    ({ instances, batch }) =>
      near === undefined ||
      (instances === near.instances && batch <= near.batch * 4 && batch >= near.batch / 4),
  );
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

/**
 * Tries the other graph level and every other execution provider that starts here, at settings already good. A better
 * one must be so by a margin that short loops can show.
 */
export async function tuneEngine(model: Model, best: Tried, options: TuneOptions): Promise<Tried> {
  const single = best.settings.batch === 1 && best.settings.instances === 1;
  const others: RunSettings[] = [{ ...best.settings, level: 'extended' }];
  for (const provider of await otherProviders()) others.push({ ...best.settings, provider, instances: 1 });
  let winner = best;
  for (const settings of others) {
    throwIfAborted(options.signal);
    const tried = await time(model, settings, options).catch((cause: unknown) => {
      // A provider that cannot run this model is no error: it is just no choice.
      if (options.signal?.aborted) throw cause;
      return undefined;
    });
    if (tried === undefined || (options.p99 !== undefined && tried.p99 > options.p99)) continue;
    const faster = single ? winner.p50 / tried.p50 : tried.throughput / winner.throughput;
    if (faster > WORTH) winner = tried;
  }
  return winner;
}

let probed: Promise<readonly ProviderName[]> | undefined;

/** Execution providers besides the CPU's that really start here; probed once. */
function otherProviders(): Promise<readonly ProviderName[]> {
  probed ??= probeProviders({ providers: PROVIDERS.filter((name) => name !== 'cpu') }).then((reports) =>
    reports.filter(({ available }) => available).map(({ provider }) => provider),
  );
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

async function largestBatchOf(model: Model, options: TuneOptions): Promise<number> {
  const session = await openSession(model, sessionSettings(defaultRunSettings(1)));
  try {
    return options.feeds.largestBatch(session.inputs);
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
