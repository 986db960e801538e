import type { Progress } from '../base/index.ts';
import type { Dataset } from '../data/index.ts';
import { cascadeOf } from '../exits/index.ts';
import type { Goal } from './goal.ts';
import type { Journal } from './journal/journal.ts';
import { objectiveOf } from './objective.ts';
import type { Variant } from './variant.ts';
import { blindTo, certifiedOnce, type WithExits } from './with-exits.ts';

/** The first of two models costs at most this share of the second: it is paid for every sample. */
const MUCH_CHEAPER = 0.6;
/** Points that the first may lose more than is allowed: what is right less often answers too few. */
const MOST_LOST = 25;
/** Pairs that are tried at most. */
const TRIES = 3;

/** Two models for one task: `first` answers what it is sure of, `last` the rest. */
export interface Pair {
  readonly first: Variant;
  readonly last: Variant;
}

/**
 * Pairs that may pay, the most promising first: behind a cheap model that loses too much by itself stands one that is good enough. As if the
 * first passed on three times as many samples as it gets wrong, which is about what thresholds come to.
 */
export function cascadePairs(
  variants: readonly Variant[],
  finalists: readonly Variant[],
  goal: Goal,
): Pair[] {
  const cost = (variant: Variant) => objectiveOf(variant, goal);
  const plain = variants.filter(({ exits, drop }) => exits === undefined && drop !== undefined);
  const lasts = finalists.filter(({ exits }) => exits === undefined);
  const pairs = lasts.flatMap((last) =>
    plain
      .filter((first) => cost(first) < MUCH_CHEAPER * cost(last) && lost(first) < goal.maxDrop + MOST_LOST)
      .map((first) => ({
        first,
        last,
        guess: cost(first) + Math.min(1, (3 * Math.max(1, lost(first))) / 100) * cost(last),
      })),
  );
  const least = Math.min(...lasts.map(cost));
  return pairs
    .filter(({ guess }) => guess < least)
    .sort((a, b) => a.guess - b.guess)
    .slice(0, TRIES);
}

const lost = ({ drop }: Variant): number => drop?.value ?? Number.POSITIVE_INFINITY;

export interface CascadeTry {
  /** Samples to tune and certify on: those of the search. */
  readonly data: Dataset;
  readonly goal: Goal;
  readonly output?: string;
  readonly seed: number;
  readonly journal: Journal;
  readonly progress: Progress;
  readonly signal?: AbortSignal;
}

/** A cascade of two variants, certified on the search part to lose no more than `last` leaves. Recorded in the journal. */
export function cascadeBehind({ first, last }: Pair, options: CascadeTry): Promise<WithExits> {
  const { data, goal, output, seed, journal, progress, signal } = options;
  const maxDrop = goal.maxDrop - Math.max(0, last.faithful ? 0 : lost(last));
  const models = [
    { id: 'first', model: first.model },
    { id: 'last', model: last.model },
  ];
  return certifiedOnce(`cascade of ${first.title} and ${last.title}`, maxDrop, { journal, signal }, () =>
    cascadeOf(models, {
      data: blindTo(goal, data),
      maxDrop,
      confidence: goal.confidence,
      output,
      seed,
      progress,
      signal,
    }),
  );
}
