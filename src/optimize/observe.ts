import { ALIKE_WITHIN, type Drop } from '../measure/index.ts';
import type { Goal } from './goal.ts';
import { objectiveOf } from './objective.ts';
import type { Held, Observation } from './searcher/observation.ts';
import type { Point } from './space/dimension.ts';
import type { Ratio, Timing, Variant } from './variant.ts';

/** The constraints that the search models, and what each depends on. */
export const CONSTRAINTS = { drop: 'model', bytes: 'model', single: 'model', p99: 'all' } as const;

/** Least noise of a figure by rung (standard deviation of its logarithm): an interval from few rounds says too little. */
const LEAST_NOISE = [0.05, 0.02] as const;
/** Noise of a 99th percentile from one short loop. */
const TAIL_NOISE = 0.15;
/** Standard deviations from the middle of a two-sided 95 % interval to its end. */
const TWO_SIDED = 1.96;

const logNoise = ({ low, high }: Ratio, rung: number) => {
  const spread = Math.log(high / low) / (2 * TWO_SIDED);
  return Math.max(LEAST_NOISE[rung] ?? 0.02, Number.isFinite(spread) ? spread : 0.1);
};

/** What a look at a variant says to the search. `heldOut`: samples of the last test. */
export function observationOf(
  point: Point,
  rung: number,
  variant: Variant,
  timing: Timing,
  goal: Goal,
  heldOut: number,
): Observation {
  const ratio = { latency: timing.latency, energy: timing.cpu, cost: timing.throughput, size: undefined }[
    goal.minimize
  ];
  const held: Record<string, Held> = { drop: dropHeld(variant, goal, heldOut) };
  if (goal.maxBytes !== undefined)
    held.bytes = { value: Math.log(variant.bytes / goal.maxBytes), noise: 1e-3 };
  if (goal.p99 !== undefined) held.p99 = { value: Math.log(timing.p99 / goal.p99), noise: TAIL_NOISE };
  else if (Number.isFinite(timing.latency.value) && goal.minimize !== 'latency') {
    // As in speedObjection: a single call must not surely be slower.
    const value = Math.log(timing.latency.low / (1 + ALIKE_WITHIN));
    held.single = { value, noise: logNoise(timing.latency, rung) };
  }
  return {
    point,
    rung,
    objective: objectiveOf({ ...variant, timing }, goal),
    noise: ratio === undefined ? 1e-3 : logNoise(ratio, rung),
    held,
  };
}

/**
 * By how much the loss would pass the allowed one in the last test, on a scale that tells near from far on both sides: the
 * upper end of its interval there, if the samples there answer like those seen here.
 */
function dropHeld({ faithful, drop }: Variant, { maxDrop }: Goal, heldOut: number): Held {
  if (faithful) return { value: -1, noise: 0.01 };
  if (drop === undefined || !Number.isFinite(drop.value)) return { value: 5, noise: 0.1 };
  const half = upperHalf(drop);
  const there = drop.value + half * Math.sqrt(drop.n / Math.max(1, heldOut));
  const unit = maxDrop > 0 ? maxDrop : Math.max(half, 1e-9);
  const x = (there - maxDrop) / unit;
  // The derivative of asinh carries the noise over.
  return { value: Math.asinh(x), noise: Math.max(0.02, half / 1.645 / unit / Math.sqrt(1 + x * x)) };
}

/** From the loss to the upper end of its one-sided interval; an infinite one counts as a large one. */
function upperHalf({ value, interval }: Drop): number {
  const half = interval.high - value;
  return Number.isFinite(half) ? Math.max(0, half) : Math.abs(value) + 1;
}
