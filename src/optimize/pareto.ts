/** Points of which less is better on both axes. */
export interface ParetoPoint {
  readonly x: number;
  readonly y: number;
}

/**
 * The points that no other beats on one axis without losing on the other, from the smallest y to the smallest x.
 * Of equal points the first stays. Points that are not finite are left out.
 */
export function paretoFront<T extends ParetoPoint>(points: readonly T[]): T[] {
  const sorted = points
    .filter((point) => Number.isFinite(point.x) && Number.isFinite(point.y))
    .map((point, order) => ({ point, order }))
    .sort((a, b) => a.point.y - b.point.y || a.point.x - b.point.x || a.order - b.order);
  const front: T[] = [];
  let best = Number.POSITIVE_INFINITY;
  for (const { point } of sorted) {
    if (point.x < best) {
      front.push(point);
      best = point.x;
    }
  }
  return front;
}
