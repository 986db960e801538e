import { fail, ModicumError, messageOf } from '../base/index.ts';
import type { Dataset } from '../data/index.ts';
import type { Feeds, OrtSession, Port } from '../run/index.ts';
import { canBatch, fixedBatch, randomFeeds } from './feeds.ts';

export interface FeedSource {
  /** Real samples; random inputs without. */
  readonly data?: Dataset;
  /** Sizes of named dimensions, for random inputs. */
  readonly bindings?: Readonly<Record<string, number>>;
  readonly seed?: number;
}

/** Batches of data that a loop goes round: more would only fill memory. */
const MOST_BATCHES = 4;

/** Feeds of exactly `batch` samples. Data with fewer samples than that gives DATA_TOO_FEW. */
export async function feedsOf(
  inputs: readonly Port[],
  batch: number,
  { data, bindings, seed = 1 }: FeedSource,
): Promise<Feeds[]> {
  if (!data) return [randomFeeds(inputs, { batch, bindings, seed })];
  const feeds: Feeds[] = [];
  for await (const { feeds: found, indices } of data.read({ batch })) {
    if (indices.length === batch) {
      feeds.push(Object.fromEntries(inputs.map(({ name }) => [name, found[name]!])));
      const missing = inputs.find(({ name }) => found[name] === undefined);
      if (missing)
        throw fail('DATA_NAMES_MISMATCH', `${data.name} has no ${missing.name}`, { input: missing.name });
    }
    if (feeds.length === MOST_BATCHES) break;
  }
  if (feeds.length > 0) return feeds;
  throw fail('DATA_TOO_FEW', `${data.name} has ${data.size} samples, fewer than a batch of ${batch}`);
}

export interface Batches {
  readonly batches: readonly number[];
  /** What was left out and why. */
  readonly notes: readonly string[];
}

/** The batch sizes that really run, tried once each. Throws what the first one throws if none runs. */
export async function usableBatches(
  session: OrtSession,
  wanted: readonly number[] | undefined,
  source: FeedSource,
): Promise<Batches> {
  const notes: string[] = [];
  let candidates = wanted ?? [1, 8, 32];
  if (!canBatch(session.inputs)) {
    const fixed = fixedBatch(session.inputs);
    if (wanted?.some((batch) => batch !== fixed)) {
      notes.push(`the first axis of the inputs is fixed: only a batch of ${fixed} was run`);
    }
    candidates = [fixed];
  }
  const batches: number[] = [];
  let first: unknown;
  for (const batch of candidates) {
    try {
      const [feeds] = await feedsOf(session.inputs, batch, source);
      await session.run(feeds!);
      batches.push(batch);
    } catch (thrown) {
      if (!(thrown instanceof ModicumError)) throw thrown;
      first ??= thrown;
      notes.push(`a batch of ${batch} does not run (${messageOf(thrown)})`);
    }
  }
  if (batches.length === 0) throw first;
  return { batches, notes };
}
