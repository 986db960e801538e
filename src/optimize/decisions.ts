import type { Decision } from '../report/index.ts';
import type { Budget } from './budget.ts';
import { lossInWords } from './decide.ts';
import type { Goal } from './goal.ts';
import type { Look } from './looks.ts';
import type { SearchOutcome } from './search.ts';
import { TECHNIQUES, type Technique } from './techniques.ts';

/** Of every technique: whether it is in what is shipped, was tried and refused, or was not tried, and why. */
export function decisionsOf(outcome: SearchOutcome, goal: Goal, budget: Budget): Decision[] {
  const shipped = shippedLook(outcome);
  return TECHNIQUES.map((technique) => decisionOn(technique, shipped, outcome, goal, budget));
}

/** The look at what is shipped: that at its settings, at the highest rung. */
function shippedLook({ chosen, looks }: SearchOutcome): Look | undefined {
  const own = looks.filter(({ variant, settings }) => {
    return (
      variant !== undefined &&
      variant === chosen &&
      JSON.stringify(settings) === JSON.stringify(chosen.settings)
    );
  });
  return own.sort((a, b) => b.rung - a.rung)[0];
}

function decisionOn(
  technique: Technique,
  shipped: Look | undefined,
  outcome: SearchOutcome,
  goal: Goal,
  budget: Budget,
): Decision {
  const { name } = technique;
  const [used, unused] = [true, false].map((wanted) =>
    outcome.looks.filter(({ point }) => technique.uses(point) === wanted),
  ) as [Look[], Look[]];
  if (shipped !== undefined && technique.uses(shipped.point)) {
    const without = bestOf(unused);
    const gain =
      without === undefined
        ? ''
        : `; without it, ${without.variant!.title}: ${figures(without, outcome, goal)}`;
    return { technique: name, outcome: 'taken', why: `${figures(shipped, outcome, goal)}${gain}` };
  }
  if (used.length > 0)
    return { technique: name, outcome: 'refused', why: refusal(used, shipped, outcome, goal) };
  const why =
    technique.absent(outcome.facts) ??
    (outcome.ended === 'time'
      ? `the budget of ${budget.seconds} s was spent on what promised more`
      : 'what was measured nearby left no gain to expect of it');
  return { technique: name, outcome: 'not tried', why };
}

/** The cheapest look among those that kept the goal on what it saw; of none that did, undefined. */
function bestOf(looks: readonly Look[]): Look | undefined {
  const able = looks.filter(
    ({ observation, variant }) =>
      variant !== undefined &&
      variant.status !== 'rejected' &&
      Object.values(observation.held ?? {}).every(({ value }) => value <= 0),
  );
  return [...able].sort((a, b) => a.observation.objective! - b.observation.objective!)[0];
}

function refusal(
  used: readonly Look[],
  shipped: Look | undefined,
  outcome: SearchOutcome,
  goal: Goal,
): string {
  const made = used.filter(({ variant }) => variant !== undefined);
  if (made.length === 0) return used[0]!.observation.failed ?? 'it could not be made';
  const [cheapest] = [...made].sort((a, b) => a.observation.objective! - b.observation.objective!);
  const paid = shipped?.observation.objective ?? Number.POSITIVE_INFINITY;
  const told = (look: Look) => `${look.variant!.title}: ${figures(look, outcome, goal)}`;
  if (cheapest!.observation.objective! < paid && cheapest!.variant !== shipped?.variant) {
    return `${told(cheapest!)}; ${cheapest!.variant!.why}`;
  }
  const than = shipped === undefined ? '' : `; shipped: ${figures(shipped, outcome, goal)}`;
  return `${told(bestOf(made) ?? cheapest!)}${than}`;
}

/** What a look found: the objective against the model as given, and the loss. */
function figures(
  { variant, observation, rung }: Look,
  { metric, baseline }: SearchOutcome,
  goal: Goal,
): string {
  const { drop, faithful } = variant!;
  const scale = goal.minimize === 'size' ? baseline.bytes : 1;
  const times = ((observation.objective ?? Number.NaN) / scale).toPrecision(2);
  const lost = faithful ? 'the same answers' : `${lossInWords(drop?.value ?? Number.NaN, metric.unit)} lost`;
  return `${times} times the ${goal.minimize}, ${lost}${rung === 0 ? ' (a first look)' : ''}`;
}
