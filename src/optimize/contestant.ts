import type { Model } from '../graph/index.ts';
import { type Looper, looperOf, shuffledFeeds } from '../measure/index.ts';
import { type Feeds, openSession, type Session } from '../run/index.ts';
import { openStaged, type StagedModel } from '../staged/index.ts';
import type { FeedStore } from './feed-store.ts';
import { type RunSettings, sessionSettings } from './settings.ts';

/** A model that samples leave early, in both of its forms. */
export interface Exiting {
  /** For batches: a session of stages. */
  readonly staged: StagedModel;
  /** For single samples: one file with nested conditions. */
  readonly oneFile: Model;
}

/** What can be opened and judged. */
export type Runnable = Model | string | Exiting;

/** Samples that a model with exits is timed on: where they leave decides what they cost. */
const MANY = 256;

export function isExiting(runnable: Runnable): runnable is Exiting {
  return typeof runnable !== 'string' && 'staged' in runnable;
}

/** A session that answers as the runnable does, whatever the batch: one with exits as stages, so that each sample leaves by itself. */
export function openRunnable(runnable: Runnable, settings: RunSettings): Promise<Session> {
  const wanted = sessionSettings(settings);
  return isExiting(runnable) ? openStaged(runnable.staged, wanted) : openSession(runnable, wanted);
}

/** One that takes part in a race, with real inputs. */
export interface Entrant {
  readonly name: string;
  readonly session: Looper;
  readonly feeds: readonly Feeds[];
  readonly samplesPerRun: number;
  dispose(): Promise<void>;
}

/** Opens a runnable for a race at its settings. */
export async function openEntrant(
  runnable: Runnable,
  name: string,
  settings: RunSettings,
  store: FeedStore,
  seed: number,
): Promise<Entrant> {
  const { batch: wanted, instances } = settings;
  if (isExiting(runnable) && wanted > 1) {
    const session = await openStaged(runnable.staged, sessionSettings(settings));
    const batch = store.batchFor(session.inputs, wanted);
    const feeds = await store.feeds(session.inputs, batch, Math.ceil(MANY / batch));
    const looper = looperOf(session, { parallel: instances });
    return { name, session: looper, feeds, samplesPerRun: batch, dispose: () => session.dispose() };
  }
  const exiting = isExiting(runnable);
  const session = await openSession(exiting ? runnable.oneFile : runnable, sessionSettings(settings));
  const batch = store.batchFor(session.inputs, wanted);
  const feeds = await store.feeds(session.inputs, batch, exiting ? MANY : undefined);
  const looper = exiting ? shuffledFeeds(session, seed) : session;
  return { name, session: looper, feeds, samplesPerRun: batch, dispose: () => session.dispose() };
}
