import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ParetoPoint, paretoFront } from './pareto.ts';

const beats = (a: ParetoPoint, b: ParetoPoint) => a.x <= b.x && a.y <= b.y && (a.x < b.x || a.y < b.y);

test('the front is what nothing beats, from the smallest y to the smallest x', () => {
  const points = fc.array(
    fc.record({ x: fc.integer({ min: 0, max: 9 }), y: fc.integer({ min: 0, max: 9 }) }),
  );
  fc.assert(
    fc.property(points, (all) => {
      const front = paretoFront(all);
      for (const point of front) assert.ok(!all.some((other) => beats(other, point)));
      for (const point of all)
        assert.ok(front.some((kept) => beats(kept, point) || (kept.x === point.x && kept.y === point.y)));
      for (const [i, point] of front.entries()) {
        const next = front[i + 1];
        assert.ok(next === undefined || (next.y > point.y && next.x < point.x));
      }
    }),
    { seed: 4 },
  );
});

test('of equal points the first stays, and those that are no numbers go', () => {
  const twin = { x: 1, y: 1, name: 'second' };
  const first = { x: 1, y: 1, name: 'first' };
  assert.deepEqual(paretoFront([first, twin, { x: Number.NaN, y: 0, name: 'a' }]), [first]);
  assert.deepEqual(paretoFront([{ x: Number.POSITIVE_INFINITY, y: 0 }]), []);
});
