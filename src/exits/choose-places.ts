import { fail } from '../base/index.ts';
import type { Answer } from './answers.ts';
import { poolingText } from './pooling.ts';
import { linearMacs, type Probe } from './probe.ts';

export interface ChooseOptions {
  /** Exits at most. Fewer are chosen where a further one saves nothing. */
  readonly exits: number;
  /** Share of the samples that may lose their right answer by leaving, shared among the exits. */
  readonly maxDrop: number;
  /** Multiply-accumulates of the whole model, per sample. */
  readonly total: number;
  readonly answers: readonly Answer[];
  /** Shares of the whole model's time up to each probe's place, where measured: then time is made least, and not work. */
  readonly times?: readonly number[];
}

/** A place, what its probe knows, and whether it was chosen. */
export interface PlaceRow {
  readonly value: string;
  readonly node: string;
  readonly pooling: string;
  readonly features: number;
  /** Share of the work behind which it lies. */
  readonly depth: number;
  /** Share of the time, where measured. */
  readonly time: number | undefined;
  /** Values that the layers behind need of the layers before. */
  readonly carried: number;
  /** Of the probe on the validation samples, in [0, 1]. */
  readonly accuracy: number;
  /** Share of the samples that would leave here, were it the only exit. */
  readonly leaves: number;
  readonly chosen: boolean;
}

export interface ChosenPlaces {
  /** By depth. */
  readonly chosen: readonly Probe[];
  readonly table: readonly PlaceRow[];
  /** Best expected work of a sample as a share of the whole model's (of its time, where measured) with so many exits. */
  readonly expected: readonly number[];
}

/** Sets of places that are tried one by one; above this they are built up place by place. */
const MOST_SETS = 20_000;

/**
 * Chooses the places that make the expected work (or time, where measured) least, under a model of what leaves: at each place the samples that its probe is
 * surest of, as many as lose no more right answers than the place's share of the allowed drop. A sample leaves at the first place
 * that would let it go, having paid for every head up to there. Throws USAGE_BAD_OPTION.
 */
export function choosePlaces(probes: readonly Probe[], options: ChooseOptions): ChosenPlaces {
  const { exits, maxDrop, total, answers, times } = options;
  if (!Number.isInteger(exits) || exits < 1) {
    throw fail('USAGE_BAD_OPTION', `a model has one exit or more, not ${exits}`);
  }
  const order = Array.from(probes.keys()).sort((a, b) => probes[a]!.place.macs - probes[b]!.place.macs);
  const sorted = order.map((i) => probes[i]!);
  const until = order.map((i) => times?.[i] ?? probes[i]!.place.macs / total);
  const leavers = sorted.map((probe) => leaversOf(probe, maxDrop / exits));
  const heads = sorted.map(({ features }) => linearMacs(features, answers) / total);
  const samples = sorted[0]?.lost.length ?? 0;
  const cost = (set: readonly number[]) => {
    let sum = 0;
    for (let i = 0; i < samples; i++) {
      let spent = 0;
      let left = false;
      for (const place of set) {
        spent += heads[place]!;
        if (leavers[place]![i] === 0) continue;
        spent += until[place]!;
        left = true;
        break;
      }
      sum += left ? spent : spent + 1;
    }
    return samples === 0 ? 1 : sum / samples;
  };
  const sizes = Array.from({ length: Math.min(exits, sorted.length) }, (_, i) => i + 1);
  let best: { set: readonly number[]; cost: number } = { set: [], cost: 1 };
  let grown: readonly number[] = [];
  const expected = [1];
  for (const size of sizes) {
    const sets =
      count(sorted.length, size) <= MOST_SETS
        ? combinations(sorted.length, size)
        : sorted.map((_, i) => [...new Set([...grown, i])].sort((a, b) => a - b));
    let found: typeof best | undefined;
    for (const set of sets) {
      const own = cost(set);
      if (found === undefined || own < found.cost) found = { set, cost: own };
    }
    grown = found!.set;
    expected.push(found!.cost);
    // An exit that saves next to nothing is not worth its head and its stage.
    if (found!.cost < best.cost * 0.99 || best.set.length === 0) best = found!;
  }
  const table = sorted.map(
    ({ place, pooling, features, accuracy }, i): PlaceRow => ({
      value: place.value,
      node: place.node,
      pooling: poolingText(pooling),
      features,
      depth: place.macs / total,
      time: times === undefined ? undefined : until[i]!,
      carried: place.frontier.length,
      accuracy,
      leaves: leavers[i]!.reduce((sum, one) => sum + one, 0) / Math.max(1, samples),
      chosen: best.set.includes(i),
    }),
  );
  return { chosen: best.set.map((i) => sorted[i]!), table, expected };
}

/** The samples that a probe is surest of, as many as cost no more than `budget` of all their right answer. */
function leaversOf({ lost, margin }: Probe, budget: number): Uint8Array {
  const n = lost.length;
  const order = Array.from({ length: n }, (_, i) => i).sort((a, b) => margin[b]! - margin[a]!);
  const allowed = Math.floor(budget * n);
  let gone = 0;
  const leaves = new Uint8Array(n);
  for (const i of order) {
    gone += lost[i]!;
    if (gone > allowed) break;
    leaves[i] = 1;
  }
  return leaves;
}

function count(n: number, k: number): number {
  let sets = 1;
  for (let i = 0; i < k; i++) sets = (sets * (n - i)) / (i + 1);
  return sets;
}

function* combinations(n: number, k: number, from = 0): Generator<number[]> {
  if (k === 0) {
    yield [];
    return;
  }
  for (let i = from; i <= n - k; i++) for (const rest of combinations(n, k - 1, i + 1)) yield [i, ...rest];
}
