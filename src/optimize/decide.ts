import type { Metric } from '../measure/index.ts';
import { fixedSequence } from './fixed-sequence.ts';
import type { Goal } from './goal.ts';
import type { Judge } from './judge.ts';
import { objectiveOf, speedObjection } from './objective.ts';
import { paretoFront } from './pareto.ts';
import { runnableOf, type Variant } from './variant.ts';

/** Variants that go to the last test at most: each costs a run over the held-out part. */
const FINALISTS = 5;

/**
 * How much a variant may lose, by what the search part showed: what orders the last test. The upper bound of the loss,
 * and, where few samples leave many variants equal in that, how far the outputs moved.
 */
export function riskOf(variant: Variant, goal: Goal): number {
  if (variant.faithful) return 0;
  if (variant.drop === undefined) return Number.POSITIVE_INFINITY;
  return Math.max(0, variant.drop.interval.high) + goal.maxDrop * Math.min(1, variant.noise ?? 1);
}

/**
 * The variants that are worth the last test, from the safest to the cheapest: the Pareto front of risk and objective
 * among those that lose no more than allowed on the search part. Where there are too many, the cheapest stay, with the
 * safest before them.
 */
export function finalistsOf(variants: readonly Variant[], goal: Goal): Variant[] {
  const able = variants.filter(
    (variant) => variant.faithful || (variant.drop?.value ?? Number.NaN) <= goal.maxDrop,
  );
  const front = paretoFront(
    able.map((variant) => ({ variant, x: objectiveOf(variant, goal), y: riskOf(variant, goal) })),
  );
  const sorted = front.map(({ variant }) => variant);
  return sorted.length <= FINALISTS ? sorted : [sorted[0]!, ...sorted.slice(-(FINALISTS - 1))];
}

/**
 * Tests the finalists on the held-out part, from the safest to the cheapest, and stops at the first whose accuracy does
 * not hold: the last that passed is chosen (see fixedSequence). A variant without a sure gain is passed over. Answers
 * undefined where none passes. Every tested variant learns why it was or was not chosen.
 */
export async function chooseAmong(
  finalists: readonly Variant[],
  baseline: Variant,
  goal: Goal,
  judge: Pick<Judge, 'metric' | 'evaluate'>,
): Promise<Variant | undefined> {
  const fast = finalists.filter((variant) => {
    const objection = speedObjection(variant, baseline, goal);
    if (objection === undefined) return true;
    variant.status = 'rejected';
    variant.why = objection;
    return false;
  });
  const passed = await fixedSequence(fast, async (variant) => {
    variant.heldOut ??= await judge.evaluate(runnableOf(variant), 'heldOut', variant.title, variant.settings);
    const objection = accuracyObjection(variant, goal, judge.metric);
    if (objection === undefined) return true;
    variant.status = 'rejected';
    variant.why = objection;
    return false;
  });
  for (const variant of fast.slice(passed + 1)) {
    variant.status = 'rejected';
    variant.why = 'a safer variant already failed on the held-out part';
  }
  const chosen = fast[passed - 1];
  for (const variant of fast.slice(0, passed)) {
    variant.status = variant === chosen ? 'chosen' : 'front';
    variant.why =
      variant === chosen
        ? chosenWhy(variant, goal, judge.metric)
        : 'holds on the held-out part, and costs more';
  }
  return chosen;
}

/** A loss with its unit: points for shares. */
export function lossInWords(value: number, unit: string): string {
  if (unit === '%') return `${value.toFixed(2)} points`;
  return unit === '1' ? String(Number(value.toPrecision(2))) : `${Number(value.toPrecision(3))} ${unit}`;
}

/** Why a variant must not be shipped for its accuracy on the held-out part, or undefined. */
export function accuracyObjection(variant: Variant, goal: Goal, metric: Metric): string | undefined {
  const { heldOut } = variant;
  if (heldOut === undefined) return 'it was not tested on the held-out part';
  const { evaluation, drop } = heldOut;
  const points = (value: number) => lossInWords(value, metric.unit);
  // A faithful variant computes the same up to rounding, by construction; its few samples need not prove it once more.
  const worst = variant.faithful ? drop.value : drop.interval.high;
  if (!(worst <= goal.maxDrop)) {
    const few = drop.value <= goal.maxDrop ? `; ${drop.n} held-out samples cannot show less` : '';
    return `it may lose ${points(worst)} on the held-out part (${points(drop.value)} seen), over the ${points(goal.maxDrop)} allowed${few}`;
  }
  if (goal.minValue !== undefined) {
    const { low, high } = evaluation.interval;
    const sure = metric.higherIsBetter ? low >= goal.minValue : high <= goal.minValue;
    if (!sure) return `its ${metric.name} of ${points(evaluation.value)} is not surely past ${goal.minValue}`;
  }
  return undefined;
}

function chosenWhy(variant: Variant, goal: Goal, metric: Metric): string {
  const drop = variant.heldOut!.drop;
  const loss = variant.faithful
    ? 'computes the same up to rounding'
    : `loses at most ${lossInWords(Math.max(0, drop.interval.high), metric.unit)} (${(goal.confidence * 100).toFixed(0)} % sure, ${drop.n} held-out samples)`;
  return `the least ${goal.minimize} of those that hold: ${loss}`;
}

/** Why a variant did not come to the last test, in words; what loses too much is rejected. */
export function whyNot(variant: Variant, finalists: readonly Variant[], goal: Goal): string {
  const loss = variant.drop?.value ?? Number.NaN;
  if (!variant.faithful && !(loss <= goal.maxDrop)) {
    variant.status = 'rejected';
    return `it loses ${loss.toFixed(2)} on the search part, over the ${goal.maxDrop} allowed`;
  }
  const better = finalists.find(
    (other) =>
      objectiveOf(other, goal) <= objectiveOf(variant, goal) && riskOf(other, goal) <= riskOf(variant, goal),
  );
  return better === undefined
    ? 'safer or cheaper ones were tested first'
    : `${better.title} is no riskier and costs less`;
}
