import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../base/index.ts';
import type { Space } from '../space/dimension.ts';
import { pointsOf } from '../space/space.ts';
import { cholesky, solveLower, solveUpper } from './cholesky.ts';
import { Encoding } from './encoding.ts';
import { Surrogate } from './surrogate.ts';

test('cholesky: factors by hand, solves, and refuses what is not positive definite', () => {
  const a = Float64Array.of(4, 0, 0, 2, 5, 0, 2, 3, 6);
  const triangle = cholesky(a, 3)!;
  assert.deepEqual([...triangle.values], [2, 0, 0, 1, 2, 0, 1, 1, 2]);
  const x = solveUpper(triangle, solveLower(triangle, Float64Array.of(8, 10, 11)));
  // The whole matrix is [[4,2,2],[2,5,3],[2,3,6]]; with (1,1,1) it gives (8,10,11).
  for (const value of x) assert.ok(Math.abs(value - 1) < 1e-12);
  assert.equal(cholesky(Float64Array.of(1, 0, 2, 1), 2), undefined);
});

const space: Space = {
  dimensions: [
    { name: 'a', says: '', values: ['x', 'y', 'z'], ordered: false, kind: 'model' },
    { name: 'b', says: '', values: [1, 2, 3, 4], ordered: true, kind: 'run' },
    { name: 'idle', says: '', values: [1, 2, 3], ordered: true, kind: 'run' },
  ],
};
const truth = ({ a, b }: { a?: unknown; b?: unknown }) =>
  ({ x: 0, y: 1, z: 3 })[String(a)]! + 0.5 * Number(b);

test('it learns effects that add up from a part of the points, is unsure where it saw nothing, and drops what is idle', () => {
  const encoding = new Encoding(space);
  const points = [...pointsOf(space)];
  const random = new Random(3);
  const seen = random.shuffle([...points]).slice(0, 14);
  const surrogate = new Surrogate(encoding.axes, {
    codes: seen.map((point) => encoding.encode(point)),
    values: seen.map(truth),
    noises: seen.map(() => 0),
    hints: seen.map(() => 0),
  });
  let [worst, inside] = [0, 0];
  for (const point of points) {
    const { mean, deviation } = surrogate.predict(encoding.encode(point), 0);
    worst = Math.max(worst, Math.abs(mean - truth(point)));
    if (Math.abs(mean - truth(point)) <= 2 * deviation + 0.05) inside++;
  }
  assert.ok(worst < 0.35, `off by ${worst}, of values from 0.5 to 5`);
  assert.ok(inside >= 33, `${inside} of 36 within their bounds`);
  assert.ok(surrogate.shape.lengths[2]! >= 5, 'the idle dimension counts for little');
});

test('a noisy value is believed less than a sure one, and a good hint carries to points far away', () => {
  const encoding = new Encoding(space);
  const [p, q, r] = [
    { a: 'x', b: 1, idle: 1 },
    { a: 'x', b: 2, idle: 1 },
    { a: 'x', b: 4, idle: 1 },
  ].map((point) => encoding.encode(point)) as [Uint8Array, Uint8Array, Uint8Array];
  const at = (noise: number) =>
    new Surrogate(encoding.axes, {
      codes: [p, q, r],
      values: [0, 2, 0.1],
      noises: [0, noise, 0],
      hints: [0, 0, 0],
    }).predict(q, 0);
  assert.ok(at(0.01).mean > 1.7);
  assert.ok(at(2).mean < 1.2);
  const points = [...pointsOf(space)].filter(({ a }) => a !== 'z');
  const hinted = new Surrogate(encoding.axes, {
    codes: points.map((point) => encoding.encode(point)),
    values: points.map(truth),
    noises: points.map(() => 0),
    hints: points.map((point) => 2 * truth(point) + 7),
  });
  const { mean } = hinted.predict(encoding.encode({ a: 'z', b: 4, idle: 1 }), 2 * 5 + 7);
  assert.ok(Math.abs(mean - 5) < 1, `5 was hinted at, ${mean} expected`);
});
