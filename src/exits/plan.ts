import { fail } from '../base/index.ts';
import type { Model } from '../graph/index.ts';
import type { Answers } from './answers.ts';
import { choosePlaces, type PlaceRow } from './choose-places.ts';
import { type ExitParts, spread } from './divide.ts';
import type { HeadPlan } from './heads.ts';
import { inInt8 } from './int8.ts';
import type { ExitsOptions } from './options.ts';
import { exitPlaces, type Place } from './places.ts';
import { type Probe, probePlaces, withFeatures } from './probe.ts';
import { shareOfTime } from './times.ts';

/** Samples that probes are fitted to. */
const PROBED = 4000;
/** Share of the whole model's work that the inner layer of a head may take. */
const HEAD_SHARE = 0.04;
/** Share of the whole model's work that a probe's head may take; sets how fine a grid may be. */
const PROBE_SHARE = 0.02;
const MOST_HIDDEN = 64;
/** Features of a place at most, by the number of places: what a probe costs grows with the cube of them. */
const MOST_FEATURES = [
  [3, 1600],
  [10, 800],
  [Number.POSITIVE_INFINITY, 512],
] as const;
/** Samples a call where time is measured and nothing else is said. */
export const TIMED_BATCH = 8;

/**
 * Chooses places and what heads shall stand there. `total`: multiply-accumulates of the whole model; `maxDrop`: a share. Throws
 * EXITS_NO_PLACE, DATA_*, and what running throws.
 */
export async function planExits(
  base: Model,
  answers: Answers,
  parts: ExitParts,
  total: number,
  maxDrop: number,
  options: ExitsOptions,
): Promise<{ readonly plans: readonly HeadPlan[]; readonly table: readonly PlaceRow[] }> {
  const { exits: count = 2, places: named, progress, signal } = options;
  const places = named === undefined ? exitPlaces(base) : byName(base, named);
  const size = answers.all.reduce((sum, answer) => sum + answer.size, 0);
  const affordable = Math.floor((PROBE_SHARE * total) / size);
  const most = MOST_FEATURES.find(([count]) => places.length <= count)![1];
  const mostFeatures = Math.min(most, Math.max(256, affordable));
  const probes = await probePlaces(
    base,
    places,
    answers.decision,
    { training: spread(parts.training, PROBED), validation: parts.tuning },
    { mostFeatures, progress, signal },
  );
  const times = options.by === 'time' ? await timesOf(base, answers, probes, parts, options) : undefined;
  const found = choosePlaces(probes, { exits: count, maxDrop, total, answers: answers.all, times });
  // Those that were asked for stay, whatever they promise.
  const chosen = named === undefined ? found.chosen : [...probes].sort((a, b) => a.place.macs - b.place.macs);
  const plans = chosen.map(
    ({ place, pooling, features }, i): HeadPlan => ({
      id: `exit${i + 1}`,
      place,
      pooling,
      features,
      hidden: options.hidden ?? hiddenFor(features, total),
    }),
  );
  const table = named === undefined ? found.table : found.table.map((row) => ({ ...row, chosen: true }));
  return { plans, table };
}

/** Time up to each probe's features as a share of the whole model's, in 8 bits where they are wanted. */
async function timesOf(
  base: Model,
  { all }: Answers,
  probes: readonly Probe[],
  parts: ExitParts,
  options: ExitsOptions,
): Promise<number[]> {
  const outputs = all.map(({ name }) => name);
  const { model, names } = withFeatures(base, probes, outputs);
  const timed = options.int8 ? await inInt8(model, parts, options) : model;
  const { batch = TIMED_BATCH, settings, signal } = options;
  return shareOfTime(timed, outputs, names, parts.tuning, { batch, settings, signal });
}

function byName(base: Model, names: readonly string[]): Place[] {
  const all = exitPlaces(base, {
    within: [0, 1],
    mostCarried: Number.POSITIVE_INFINITY,
    most: Number.POSITIVE_INFINITY,
  });
  return names.map((name) => {
    const place = all.find(({ value, node }) => value === name || node === name);
    if (place !== undefined) return place;
    const known = all.map(({ value }) => value).slice(0, 20);
    throw fail('EXITS_NO_PLACE', `"${name}" is none; there are ${known.join(', ')}`, { places: known });
  });
}

/** Units of an inner layer that a share of the work pays for; too few of them are worse than none. */
function hiddenFor(features: number, total: number): number {
  const affordable = 2 ** Math.floor(Math.log2((HEAD_SHARE * total) / features));
  return affordable < 8 ? 0 : Math.min(MOST_HIDDEN, affordable);
}
