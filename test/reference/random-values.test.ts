import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../src/base/index.ts';
import { randomValues } from './index.ts';

test('values keep away from kinks and from each other, in the range, as float32, the same for a seed', () => {
  const options = { low: -1, high: 3, awayFrom: [0, 1], distance: 0.2, apart: 0.01 };
  const { dims, data } = randomValues(new Random(3), [5, 10], options);
  assert.deepEqual(dims, [5, 10]);
  assert.ok(data.every((v) => v >= -1 && v <= 3 && v === Math.fround(v)));
  assert.ok(data.every((v) => Math.abs(v) >= 0.2 && Math.abs(v - 1) >= 0.2));
  const sorted = data.toSorted();
  assert.ok(sorted.every((v, i) => i === 0 || v - sorted[i - 1]! >= 0.01));
  // Without the options some would come too near.
  const free = randomValues(new Random(3), [5, 10], { low: -1, high: 3 }).data;
  assert.ok(free.some((v) => Math.abs(v) < 0.2));
  assert.deepEqual(randomValues(new Random(3), [5, 10], options).data, data);
});

test('a range without room is said to be one', () => {
  assert.throws(
    () => randomValues(new Random(1), [3], { low: 0, high: 1, apart: 0.9 }),
    /no room for 3 values/,
  );
});
