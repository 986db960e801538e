import type { RatedLayer } from './choices.ts';
import { type Crossing, conversionTime } from './crossings.ts';
import { type Solution, sumOf } from './knapsack.ts';

/** What conversions between layers cost. */
export interface Conversions {
  readonly crossings: readonly Crossing[];
  /** Measured by assumed time of conversions; 0: they cost nothing. */
  readonly scale: number;
}

/** The cost of picks with their conversions. */
export function costWith(
  rated: readonly RatedLayer[],
  picks: readonly number[],
  { crossings, scale }: Conversions,
): number {
  const { cost } = sumOf(
    rated.map(({ choices }) => choices),
    picks,
  );
  if (scale === 0) return cost;
  const precisions = new Map(rated.map(({ layer, choices }, i) => [layer.id, choices[picks[i]!]!.precision]));
  return cost + scale * conversionTime(crossings, (id) => precisions.get(id) ?? 'fp32');
}

/**
 * Lowers the cost of a solution with conversions counted in, within a budget of harm: the knapsack knows no neighbours, so it changes
 * to and fro where that costs more than it gains. Descends by the best change of one layer or of two that a value joins, until none
 * helps: a local optimum.
 */
export function polish(
  rated: readonly RatedLayer[],
  start: readonly number[],
  budget: number,
  conversions: Conversions,
): Solution {
  const layers = rated.map(({ choices }) => choices);
  const at = new Map(rated.map(({ layer }, i) => [layer.id, i]));
  const pairs = conversions.crossings.flatMap(({ from, to }) =>
    to
      .map((id) => [at.get(from), at.get(id)] as const)
      .filter((pair) => pair[0] !== undefined && pair[1] !== undefined),
  ) as (readonly [number, number])[];
  const slack = budget * (1 + 1e-9) + 1e-15;
  let picks = [...start];
  let cost = costWith(rated, picks, conversions);
  for (;;) {
    let best: { picks: number[]; cost: number } | undefined;
    const consider = (next: number[]) => {
      if (sumOf(layers, next).harm > slack) return;
      const found = costWith(rated, next, conversions);
      if (found < (best?.cost ?? cost) - 1e-9) best = { picks: next, cost: found };
    };
    for (const [layer, choices] of layers.entries()) {
      for (const pick of choices.keys()) if (pick !== picks[layer]) consider(picks.with(layer, pick));
    }
    for (const [a, b] of pairs) {
      for (const i of layers[a]!.keys()) {
        for (const j of layers[b]!.keys()) {
          if (i !== picks[a] && j !== picks[b]) consider(picks.with(a, i).with(b, j));
        }
      }
    }
    if (best === undefined) break;
    ({ picks, cost } = best);
  }
  return { picks, cost, harm: sumOf(layers, picks).harm, exact: false, gap: Number.POSITIVE_INFINITY };
}
