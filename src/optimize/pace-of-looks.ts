import type { Look, Looks } from './looks.ts';
import type { Point } from './space/dimension.ts';
import type { TrainingTimes } from './space/recipe-of.ts';

/** Guesses in seconds, until something of the kind was timed. */
const GUESS = { race: [1.3, 4], static: 1.5, other: 0.5, sensitivity: 3, slow: 4, mixed: 25 } as const;
/** A step of training takes its time, and more around it. */
const AROUND_TRAINING = 1.4;

/**
 * How long a look will take, by what earlier ones took; Infinity where an earlier one shows that it cannot be made. `part`: seconds that the whole search part takes the model as given;
 * `share`: how much of it a first look reads.
 */
export function secondsOfLook(
  point: Point,
  rung: number,
  looks: Looks,
  times: TrainingTimes,
  part: number,
  share: number,
): number {
  const taken = looks.taken;
  if (isHopeless(point, looks)) return Number.POSITIVE_INFINITY;
  const like = (other: Point) =>
    (
      [
        'family',
        'share',
        'precision',
        'ranges',
        'equalized',
        'fitted',
        'fit',
        'bits',
        'slow',
        'kept',
        'block',
      ] as const
    ).every((name) => other[name] === point[name]);
  const same = taken.filter((look) => look.variant !== undefined && like(look.point));
  const race = GUESS.race[rung as 0 | 1];
  const known = same.some((look) => look.rung >= rung) ? 0 : part * (rung === 0 ? share : 1);
  if (same.length > 0) return race + known;
  return race + known + shapeSeconds(point, taken, times) + precisionSeconds(point, taken, times);
}

function shapeSeconds(
  { family = 'whole', share }: Point,
  taken: readonly Look[],
  { shape }: TrainingTimes,
): number {
  const made = taken.some(({ point }) => (point.family ?? 'whole') === family && point.share === share);
  return family === 'whole' || made ? 0 : shape * AROUND_TRAINING + 1;
}

function precisionSeconds(
  { precision, family, slow, kept = 0 }: Point,
  taken: readonly Look[],
  { learned }: TrainingTimes,
): number {
  if (precision === 'float' || precision === undefined) return 0;
  if (precision === 'aware' || precision === 'adaround') return learned * AROUND_TRAINING + 1;
  if (precision === 'mixed') return GUESS.mixed;
  const of = taken.filter(({ point }) => point.family === family && point.precision === precision);
  const asked = (name: 'slow' | 'kept', none: string | number) =>
    of.some(({ point }) => (point[name] ?? none) !== none) ? 0 : 1;
  let seconds = precision === 'static' && of.length === 0 ? GUESS.static : GUESS.other;
  if (slow === 'float') seconds += GUESS.slow * asked('slow', 'integers');
  if (Number(kept) > 0) seconds += GUESS.sensitivity * asked('kept', 0);
  return seconds;
}

/** True where an earlier look shows that a point cannot be made. */
export function isHopeless(point: Point, looks: Looks): boolean {
  return looks.taken.some((look) => look.observation.failed !== undefined && sharesFate(look.point, point));
}

/** Whether what made one point fail makes another fail as well: its shape cannot be made, or its precision not on this shape. */
function sharesFate(failed: Point, point: Point): boolean {
  if (failed.family !== point.family || failed.share !== point.share) return false;
  const { precision = 'float' } = failed;
  // Static ones have knobs, one of which may be at fault.
  return precision === 'float' || (precision !== 'static' && precision === point.precision);
}

/** True where a point needs a model to be trained. */
export function trains({ family = 'whole', precision }: Point): boolean {
  return family !== 'whole' || precision === 'aware' || precision === 'adaround';
}
