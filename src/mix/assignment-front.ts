import type { RatedLayer } from './choices.ts';
import { frontOf, type Solution } from './knapsack.ts';
import { type Conversions, polish } from './polish.ts';

/** Budgets of the front. */
const BUDGETS = 24;

/**
 * Assignments from the cheapest to the least harmful: the exact front of the knapsack, each polished within its own harm for the
 * conversions between layers (and again from what was found for the next smaller budget); what another beats in both is left out.
 */
export function assignmentFront(rated: readonly RatedLayer[], conversions: Conversions): Solution[] {
  const front = frontOf(
    rated.map(({ choices }) => choices),
    { count: BUDGETS },
  );
  if (conversions.scale === 0) return front.sort((a, b) => a.cost - b.cost);
  const found: Solution[] = [];
  let before: readonly number[] = rated.map(() => 0);
  for (const { picks, harm } of [...front].sort((a, b) => a.harm - b.harm)) {
    const ways = [polish(rated, picks, harm, conversions), polish(rated, before, harm, conversions)];
    const best = ways[0]!.cost <= ways[1]!.cost ? ways[0]! : ways[1]!;
    before = best.picks;
    found.push(best);
  }
  const kept: Solution[] = [];
  for (const one of found.sort((a, b) => a.cost - b.cost || a.harm - b.harm)) {
    if (kept.every(({ harm }) => harm > one.harm)) kept.push(one);
  }
  return kept;
}
