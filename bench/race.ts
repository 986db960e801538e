import { bind, type Dataset, planBatch } from '../src/data/index.ts';
import type { Model } from '../src/graph/index.ts';
import { type Comparison, comparePaired, looperOf, throughputCurve } from '../src/measure/index.ts';
import { availableCores, openSession, type Session, type SessionSettings } from '../src/run/index.ts';
import { openStaged, type StagedModel } from '../src/staged/index.ts';

/** Of splits, races and bootstraps. */
export const SEED = 0;

/** How a model runs that is just opened. */
export const DEFAULTS = { threads: availableCores(), instances: 1 };

export interface Setting {
  /** Samples a call. */
  readonly batch: number;
  readonly threads: number;
  readonly instances: number;
  readonly level?: SessionSettings['level'];
  readonly provider?: SessionSettings['provider'];
}

/** All in turns within one run; ratios are to the first. */
export async function race(
  entries: readonly { title: string; model: Model | string | StagedModel; setting?: Setting }[],
  data: Dataset,
  seconds: number,
): Promise<readonly Comparison[]> {
  const sessions: Session[] = [];
  try {
    const contestants = [];
    for (const { title, model, setting = { ...DEFAULTS, batch: 1 } } of entries) {
      const { batch, ...rest } = setting;
      const staged = typeof model !== 'string' && 'stages' in model;
      const session = staged ? await openStaged(model, rest) : await openSession(model, rest);
      sessions.push(session);
      const samplesPerRun = planBatch(data, session.inputs, batch).batch;
      // Where samples leave decides what stages cost: they see more of them.
      const feeds = await feedsOf(session, data, samplesPerRun, staged ? Math.ceil(256 / samplesPerRun) : 4);
      const looper = 'loop' in session ? session : looperOf(session, { parallel: setting.instances });
      contestants.push({ name: title, session: looper, feeds, samplesPerRun });
    }
    return (await comparePaired(contestants, { seconds, seed: SEED, warmUpAtMost: 0.3 })).contestants;
  } finally {
    await Promise.all(sessions.map((session) => session.dispose()));
  }
}

async function feedsOf(session: Session, data: Dataset, batch: number, count = 4) {
  const feeds = [];
  for await (const part of bind(data, session.inputs, { batch })) {
    if (part.indices.length === batch) feeds.push(part.feeds);
    if (feeds.length === count) break;
  }
  return feeds;
}

/** The settings with the most samples per second; a model of a fixed batch keeps it. */
export async function bestSetting(model: Model | string, data: Dataset): Promise<Setting> {
  const cores = availableCores();
  const session = await openSession(model, { threads: 1 });
  const largest = planBatch(data, session.inputs, data.size).batch;
  await session.dispose();
  const batches = [1, 4, 16, 64].filter((batch) => batch <= largest);
  let best: { setting: Setting; rate: number } | undefined;
  for (const instances of new Set([1, cores])) {
    const points = await throughputCurve(model, {
      batches,
      instances: [instances],
      threads: [cores / instances],
      feeds: (batch, opened) => feedsOf(opened, data, batch),
      seconds: 0.2,
      warmUpAtMost: 0.1,
      seed: SEED,
    });
    for (const { batch, threads, records } of points) {
      const rate = records.find(({ what }) => what === 'throughput')?.value ?? 0;
      if (best === undefined || rate > best.rate) best = { setting: { batch, threads, instances }, rate };
    }
  }
  return best?.setting ?? { batch: 1, threads: cores, instances: 1 };
}
