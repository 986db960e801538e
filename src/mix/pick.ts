import { throwIfAborted } from '../base/index.ts';
import type { MixLayer, Precision } from '../transform/index.ts';
import { assignmentFront } from './assignment-front.ts';
import type { RatedLayer } from './choices.ts';
import type { Solution } from './knapsack.ts';
import type { Conversions } from './polish.ts';
import type { Variant } from './variant.ts';

export interface PickOptions {
  /** The most the metric may lose. */
  readonly maxDrop: number;
  /** Assignments built at most. */
  readonly candidates: number;
  /** What changes of precision from layer to layer cost. Default: nothing. */
  readonly conversions?: Conversions;
  readonly signal?: AbortSignal;
}

/** Builds a variant of picks (numbers of choices, layer by layer) and evaluates it on the tuning part. */
export type Build = (title: string, precisionOf: (layer: MixLayer) => Precision) => Promise<Variant>;

/**
 * Tries assignments along the front of cost and summed sensitivity until the cheapest is found whose measured loss is within the bound:
 * by halving, since more harm is more loss by and large. Then from the next cheaper one, which loses too much, layers are taken back to
 * fp32, the one with most sensitivity per cost first, until it is within too. Answers all that were built.
 */
export async function pickAssignments(
  rated: readonly RatedLayer[],
  build: Build,
  options: PickOptions,
): Promise<Variant[]> {
  const { maxDrop, candidates, signal } = options;
  const front = assignmentFront(rated, options.conversions ?? { crossings: [], scale: 0 });
  const solutions = front.filter(({ picks }) => picks.some((pick) => pick > 0));
  const tried = new Map<string, Variant>();
  const attempt = async (picks: readonly number[], title: string): Promise<Variant | undefined> => {
    const key = picks.join();
    const known = tried.get(key);
    if (known !== undefined) return known;
    if (tried.size >= candidates) return undefined;
    throwIfAborted(signal);
    const made = await build(title, precisionsOf(rated, picks));
    tried.set(key, made);
    return made;
  };
  const holds = (variant: Variant | undefined) => (variant?.drop?.value ?? Number.NaN) <= maxDrop;
  const title = ({ picks }: Solution) => titleOf(rated, picks);

  /** The place of the cheapest that satisfies, or where halving ended when no more may be built. */
  const cheapest = async (from: number, satisfies: (variant: Variant) => boolean): Promise<number> => {
    let [low, high] = [from, solutions.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const variant = await attempt(solutions[middle]!.picks, title(solutions[middle]!));
      if (variant === undefined) break;
      if (satisfies(variant)) high = middle;
      else low = middle + 1;
    }
    return low;
  };
  const first = await cheapest(0, holds);
  // The held-out part asks that the loss is surely within: the cheapest that looks sure here is a second to go by.
  await cheapest(first, (variant) => (variant.drop?.interval.high ?? Number.NaN) <= maxDrop);
  const over = solutions[first - 1];
  if (over !== undefined) {
    let picks = [...over.picks];
    for (;;) {
      const layer = worstOf(rated, picks);
      if (layer === undefined) break;
      picks = picks.with(layer, 0);
      if (!picks.some((pick) => pick > 0)) break;
      const variant = await attempt(picks, `${titleOf(rated, picks)}, repaired`);
      if (variant === undefined || holds(variant)) break;
    }
  }
  return [...tried.values()];
}

/** The layer whose way back to fp32 takes most harm away for its cost. */
function worstOf(rated: readonly RatedLayer[], picks: readonly number[]): number | undefined {
  let found: { layer: number; worth: number } | undefined;
  for (const [layer, pick] of picks.entries()) {
    if (pick === 0) continue;
    const { choices } = rated[layer]!;
    const more = Math.max(1e-12, choices[0]!.cost - choices[pick]!.cost);
    const worth = choices[pick]!.harm / more;
    if (found === undefined || worth > found.worth) found = { layer, worth };
  }
  return found?.layer;
}

/** The precision of each layer under these picks. */
export function precisionsOf(
  rated: readonly RatedLayer[],
  picks: readonly number[],
): (layer: MixLayer) => Precision {
  const chosen = new Map(rated.map(({ layer, choices }, i) => [layer.id, choices[picks[i]!]!.precision]));
  return (layer) => chosen.get(layer.id) ?? 'fp32';
}

/** "5 int8, 2 fp32". */
export function titleOf(rated: readonly RatedLayer[], picks: readonly number[]): string {
  const counts = new Map<Precision, number>();
  for (const [i, { choices }] of rated.entries()) {
    const { precision } = choices[picks[i]!]!;
    counts.set(precision, (counts.get(precision) ?? 0) + 1);
  }
  return [...counts]
    .sort((a, b) => b[1] - a[1])
    .map(([precision, count]) => `${count} ${precision}`)
    .join(', ');
}
