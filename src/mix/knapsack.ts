import { fail } from '../base/index.ts';

/** One way to run a layer: what it costs, and what it does to the outputs. */
export interface Choice {
  /** What is made as small as possible: microseconds or bytes. Finite. */
  readonly cost: number;
  /** What is held to the budget; 0 or more, Infinity where the choice must not be taken. */
  readonly harm: number;
}

export interface Solution {
  /** The number of the choice taken, layer by layer. */
  readonly picks: readonly number[];
  readonly cost: number;
  readonly harm: number;
  /** False: states had to be dropped; the cheapest may then cost up to `gap` less. */
  readonly exact: boolean;
  /** Upper bound of cost minus the least possible cost: 0 where exact. */
  readonly gap: number;
}

export interface KnapsackOptions {
  /** States kept after each layer; beyond it those least promising by their bound go. Default 200,000. */
  readonly states?: number;
}

/** Part of the way: choices of the first layers. */
interface State {
  readonly cost: number;
  readonly harm: number;
  readonly before: State | undefined;
  readonly pick: number;
}

/** Sums of floats that are equal up to rounding count as equal. */
const ROUNDING = 1e-9;

/**
 * The cheapest choice for each layer whose harms sum up to no more than the budget: the multiple-choice knapsack, solved exactly by
 * dynamic programming over the states that no other state beats in cost and harm, with those cut off that cannot win by the bound of
 * the linear relaxation (Sinha and Zoltners 1979; Pisinger 1995). Undefined where even the least harmful choices exceed the budget.
 * Throws INTERNAL where a layer has no choice, a cost is not finite or a harm negative or NaN.
 */
export function cheapestWithin(
  layers: readonly (readonly Choice[])[],
  budget: number,
  options: KnapsackOptions = {},
): Solution | undefined {
  const { states: most = 200_000 } = options;
  for (const choices of layers) check(choices);
  const relaxed = new Relaxation(layers);
  const slack = budget + Math.abs(budget) * ROUNDING;
  const greedy = relaxed.greedy(slack);
  if (greedy === undefined) return undefined;
  // The best known so far: nothing that is bound to cost more is followed.
  let upper = greedy.cost;
  let states: State[] = [{ cost: 0, harm: 0, before: undefined, pick: -1 }];
  let dropped = Number.POSITIVE_INFINITY;
  for (const [layer, choices] of layers.entries()) {
    const grown: State[] = [];
    for (const state of states) {
      for (const [pick, { cost, harm }] of choices.entries()) {
        const next = { cost: state.cost + cost, harm: state.harm + harm, before: state, pick };
        const bound = relaxed.bound(layer + 1, slack - next.harm);
        if (bound === undefined || next.cost + bound.low > upper + tolerance(upper)) continue;
        upper = Math.min(upper, next.cost + bound.high);
        grown.push(next);
      }
    }
    states = undominated(grown);
    if (states.length > most) {
      const promise = (state: State) => state.cost + relaxed.bound(layer + 1, slack - state.harm)!.low;
      const ranked = states.map((state) => ({ state, low: promise(state) })).sort((a, b) => a.low - b.low);
      dropped = Math.min(dropped, ranked[most]!.low);
      states = undominated(ranked.slice(0, most).map(({ state }) => state));
    }
  }
  let best: State | undefined;
  for (const state of states) {
    if (best === undefined || state.cost < best.cost || (state.cost === best.cost && state.harm < best.harm))
      best = state;
  }
  const found = best === undefined ? greedy.picks : picksOf(best);
  const { cost, harm } = sumOf(layers, found);
  const gap = Math.max(0, cost - dropped);
  return { picks: found, cost, harm, exact: gap === 0, gap };
}

/** What choices cost and harm together. */
export function sumOf(
  layers: readonly (readonly Choice[])[],
  picks: readonly number[],
): { cost: number; harm: number } {
  let [cost, harm] = [0, 0];
  for (const [layer, choices] of layers.entries()) {
    const { cost: own, harm: hurt } = choices[picks[layer]!]!;
    cost += own;
    harm += hurt;
  }
  return { cost, harm };
}

/**
 * The cheapest choices for several budgets, the largest first; those that are the same for two budgets stand once. Where no
 * budgets are given: `count` of them in equal ratios between the least and the largest harm that make a difference.
 */
export function frontOf(
  layers: readonly (readonly Choice[])[],
  options: KnapsackOptions & { readonly budgets?: readonly number[]; readonly count?: number } = {},
): Solution[] {
  const budgets = options.budgets ?? spread(layers, options.count ?? 16);
  const found = new Map<string, Solution>();
  for (const budget of [...budgets].sort((a, b) => b - a)) {
    const solution = cheapestWithin(layers, budget, options);
    if (solution !== undefined) found.set(solution.picks.join(), solution);
  }
  return [...found.values()];
}

/** From the harm of the cheapest choices down to that of the least harmful, in equal ratios. */
function spread(layers: readonly (readonly Choice[])[], count: number): number[] {
  let [least, most, smallest] = [0, 0, Number.POSITIVE_INFINITY];
  for (const choices of layers) {
    const finite = choices.filter(({ harm }) => Number.isFinite(harm));
    const cheapest = finite.reduce((a, b) =>
      b.cost < a.cost || (b.cost === a.cost && b.harm < a.harm) ? b : a,
    );
    least += Math.min(...finite.map(({ harm }) => harm));
    most += cheapest.harm;
    for (const { harm } of finite) if (harm > 0) smallest = Math.min(smallest, harm);
  }
  const low = Math.max(least, smallest, most * 1e-6);
  if (!(most > low)) return [most];
  const ratio = (low / most) ** (1 / Math.max(1, count - 2));
  return [...Array.from({ length: count - 1 }, (_, i) => most * ratio ** i), least];
}

function check(choices: readonly Choice[]): void {
  if (!choices.some(({ harm }) => Number.isFinite(harm))) throw fail('INTERNAL', 'a layer has no choice');
  for (const { cost, harm } of choices) {
    if (!Number.isFinite(cost)) throw fail('INTERNAL', `a cost of ${cost}`);
    if (!(harm >= 0)) throw fail('INTERNAL', `a harm of ${harm}`);
  }
}

const tolerance = (value: number) => Math.abs(value) * ROUNDING;

/** Those that no other state beats, by rising harm and falling cost. Of equal ones the first stays. */
function undominated(states: readonly State[]): State[] {
  const sorted = states
    .map((state, at) => ({ state, at }))
    .sort((a, b) => a.state.harm - b.state.harm || a.state.cost - b.state.cost || a.at - b.at);
  const kept: State[] = [];
  let least = Number.POSITIVE_INFINITY;
  for (const { state } of sorted) {
    if (state.cost >= least) continue;
    least = state.cost;
    kept.push(state);
  }
  return kept;
}

function picksOf(last: State): number[] {
  const picks: number[] = [];
  for (let at: State = last; at.before !== undefined; at = at.before) picks.push(at.pick);
  return picks.reverse();
}

/** A step down the lower hull of a layer: so much more harm for so much less cost. */
interface Saving {
  readonly layer: number;
  readonly pick: number;
  readonly harm: number;
  /** Negative. */
  readonly cost: number;
}

/** The linear relaxation of what is left after the first layers, by the hulls of the choices. */
class Relaxation {
  readonly #layers: readonly (readonly Choice[])[];
  /** The least harmful choice of each layer. */
  readonly #first: readonly number[];
  /** All steps, the most saved per harm first. */
  readonly #savings: readonly Saving[];
  /** Of the layers from here on: cost and harm of the first choices, and running sums over their savings. */
  readonly #from: readonly { cost: number; harm: number; costs: Float64Array; harms: Float64Array }[];

  constructor(layers: readonly (readonly Choice[])[]) {
    this.#layers = layers;
    const hulls = layers.map(lowerHull);
    this.#first = hulls.map((hull) => hull[0]!);
    const savings: Saving[] = [];
    for (const [layer, hull] of hulls.entries()) {
      for (let i = 1; i < hull.length; i++) {
        const [from, to] = [layers[layer]![hull[i - 1]!]!, layers[layer]![hull[i]!]!];
        savings.push({ layer, pick: hull[i]!, harm: to.harm - from.harm, cost: to.cost - from.cost });
      }
    }
    // Within a layer the hull is convex, so its steps stay in order.
    this.#savings = savings.sort((a, b) => a.cost / a.harm - b.cost / b.harm || a.layer - b.layer);
    this.#from = Array.from({ length: layers.length + 1 }, (_, from) => {
      let [cost, harm] = [0, 0];
      for (let layer = from; layer < layers.length; layer++) {
        cost += layers[layer]![this.#first[layer]!]!.cost;
        harm += layers[layer]![this.#first[layer]!]!.harm;
      }
      const own = this.#savings.filter(({ layer }) => layer >= from);
      return { cost, harm, costs: running(own.map((s) => s.cost)), harms: running(own.map((s) => s.harm)) };
    });
  }

  /**
   * Bounds of the least cost of the layers from here on: `low` of the relaxation, `high` of a choice that is possible (the
   * whole steps alone). Undefined where nothing fits.
   */
  bound(from: number, budget: number): { low: number; high: number } | undefined {
    const { cost, harm, costs, harms } = this.#from[from]!;
    const left = budget - harm;
    if (left < 0) return undefined;
    // The number of whole steps that fit.
    let [low, high] = [0, harms.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (harms[middle]! <= left) low = middle;
      else high = middle - 1;
    }
    const whole = cost + costs[low]!;
    if (low === harms.length - 1) return { low: whole, high: whole };
    const share = (left - harms[low]!) / (harms[low + 1]! - harms[low]!);
    return { low: whole + share * (costs[low + 1]! - costs[low]!), high: whole };
  }

  /** Takes step after step while they fit: a choice that is possible. */
  greedy(budget: number): { picks: number[]; cost: number } | undefined {
    const picks = [...this.#first];
    let { harm } = this.#from[0]!;
    if (harm > budget) return undefined;
    const stopped = new Set<number>();
    for (const saving of this.#savings) {
      if (stopped.has(saving.layer)) continue;
      if (harm + saving.harm > budget) {
        stopped.add(saving.layer);
        continue;
      }
      picks[saving.layer] = saving.pick;
      harm += saving.harm;
    }
    return { picks, cost: sumOf(this.#layers, picks).cost };
  }
}

function running(values: readonly number[]): Float64Array {
  const sums = new Float64Array(values.length + 1);
  for (const [i, value] of values.entries()) sums[i + 1] = sums[i]! + value;
  return sums;
}

/** The choices on the lower convex hull of cost over harm, by rising harm and falling cost. */
function lowerHull(choices: readonly Choice[]): number[] {
  const order = [...choices.keys()]
    .filter((i) => Number.isFinite(choices[i]!.harm))
    .sort((a, b) => choices[a]!.harm - choices[b]!.harm || choices[a]!.cost - choices[b]!.cost || a - b);
  const hull: number[] = [];
  const slope = (a: number, b: number) =>
    (choices[b]!.cost - choices[a]!.cost) / (choices[b]!.harm - choices[a]!.harm);
  for (const i of order) {
    const last = hull.at(-1);
    if (last !== undefined && choices[i]!.cost >= choices[last]!.cost) continue;
    while (hull.length >= 2 && slope(hull.at(-2)!, hull.at(-1)!) >= slope(hull.at(-1)!, i)) hull.pop();
    hull.push(i);
  }
  return hull;
}
