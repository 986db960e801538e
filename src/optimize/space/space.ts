import { fail, type Random } from '../../base/index.ts';
import type { Dimension, Point, Space, Value } from './dimension.ts';

/** Tries before a sampler gives up finding a point that the space allows. */
const TRIES = 1000;

/** Throws OPTIMIZE_SPACE_INVALID: a dimension without values, named twice, or under a condition on no earlier one. */
export function assertSpace({ dimensions }: Space): void {
  const known = new Map<string, Dimension>();
  for (const dimension of dimensions) {
    const { name, values, when = [] } = dimension;
    const bad = (why: string) => fail('OPTIMIZE_SPACE_INVALID', `dimension "${name}" ${why}`, { name });
    if (known.has(name)) throw bad('is there twice');
    if (values.length === 0) throw bad('has no values');
    if (new Set(values).size < values.length) throw bad('has a value twice');
    for (const condition of when) {
      const other = known.get(condition.dimension);
      if (other === undefined) throw bad(`waits for "${condition.dimension}", which is no earlier dimension`);
      const foreign = condition.in.find((value) => !other.values.includes(value));
      if (foreign !== undefined)
        throw bad(`waits for "${condition.dimension}" to be "${foreign}", which it never is`);
    }
    known.set(name, dimension);
  }
}

/** Whether a dimension is there, given the values of those before it. */
export function isThere({ when = [] }: Dimension, point: Point): boolean {
  return when.every((condition) => {
    const value = point[condition.dimension];
    return value !== undefined && condition.in.includes(value);
  });
}

/**
 * The point of these values: dimensions that are not there are dropped, those without a value, or with one that they do
 * not have, take their first. The result may still be one that the space does not allow.
 */
export function complete({ dimensions }: Space, values: Readonly<Record<string, Value | undefined>>): Point {
  const point: Record<string, Value> = {};
  for (const dimension of dimensions) {
    if (!isThere(dimension, point)) continue;
    const value = values[dimension.name];
    point[dimension.name] =
      value !== undefined && dimension.values.includes(value) ? value : dimension.values[0]!;
  }
  return point;
}

/** A stable name of a point: dimensions in the order of the space, whatever the order of the object. */
export function keyOf({ dimensions }: Space, point: Point, kind?: Dimension['kind']): string {
  return dimensions
    .filter(
      (dimension) => point[dimension.name] !== undefined && (kind === undefined || dimension.kind === kind),
    )
    .map(({ name }) => `${name}=${point[name]}`)
    .join(' ');
}

/** All points in a fixed order, the first values first. May be endless work in a large space: see `sizeOf`. */
export function* pointsOf(space: Space): Generator<Point> {
  const { dimensions, allows = () => true } = space;
  function* from(at: number, point: Point): Generator<Point> {
    const dimension = dimensions[at];
    if (dimension === undefined) {
      if (allows(point)) yield point;
    } else if (!isThere(dimension, point)) yield* from(at + 1, point);
    else for (const value of dimension.values) yield* from(at + 1, { ...point, [dimension.name]: value });
  }
  yield* from(0, {});
}

/** How many points there are; counts no further than `most`. */
export function sizeOf(space: Space, most = Number.POSITIVE_INFINITY): number {
  let count = 0;
  for (const _point of pointsOf(space)) if (++count >= most) break;
  return count;
}

/**
 * Points that differ from this one in one choice: the next values either way of an ordered dimension, any other value of
 * an unordered one. Dimensions that come to be there by it take their first value.
 */
export function neighbours(space: Space, point: Point): Point[] {
  const { dimensions, allows = () => true } = space;
  const found = new Map<string, Point>();
  for (const { name, values, ordered } of dimensions) {
    const now = point[name];
    if (now === undefined) continue;
    const at = values.indexOf(now);
    const others = ordered ? [values[at - 1], values[at + 1]] : values.filter((value) => value !== now);
    for (const other of others) {
      if (other === undefined) continue;
      const next = complete(space, { ...point, [name]: other });
      if (allows(next)) found.set(keyOf(space, next), next);
    }
  }
  found.delete(keyOf(space, point));
  return [...found.values()];
}

/** A point by drawing a value for each dimension that is there. Throws OPTIMIZE_SPACE_INVALID where none is allowed. */
export function samplePoint(space: Space, random: Random): Point {
  const { dimensions, allows = () => true } = space;
  for (let trial = 0; trial < TRIES; trial++) {
    const point: Record<string, Value> = {};
    for (const dimension of dimensions) {
      if (!isThere(dimension, point)) continue;
      point[dimension.name] = dimension.values[random.below(dimension.values.length)]!;
    }
    if (allows(point)) return point;
  }
  throw fail('OPTIMIZE_SPACE_INVALID', `${TRIES} points were drawn and none is allowed`);
}
