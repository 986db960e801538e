import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cascadePairs } from './cascades.ts';
import { makeGoal } from './goal.ts';
import type { Variant } from './variant.ts';

const goal = makeGoal({ metric: 'top1', maxDrop: 1 });

/** A variant that is so many times as fast as the model as given and loses so many points. */
function variant(title: string, faster: number, lost: number, more: Partial<Variant> = {}): Variant {
  const ratio = { value: faster, low: faster, high: faster };
  const interval = { low: lost, high: lost, level: 0.95, method: '' };
  return {
    title,
    drop: { value: lost, n: 1000, differing: 20, interval },
    timing: { throughput: ratio },
    ...more,
  } as Variant;
}

const titles = (variants: Variant[], finalists: Variant[]) =>
  cascadePairs(variants, finalists, goal).map(({ first, last }) => `${first.title} < ${last.title}`);

test('a cheap model that loses too much stands before one that holds, the most promising pair first', () => {
  const whole = variant('whole', 2, 0);
  const small = variant('small', 20, 3);
  const smaller = variant('smaller', 40, 10);
  assert.deepEqual(titles([whole, small, smaller], [whole]), ['small < whole', 'smaller < whole']);
});

test('no pair where the first is hardly cheaper, is hardly ever right, leaves early itself, or gains nothing', () => {
  const whole = variant('whole', 2, 0);
  assert.deepEqual(titles([whole, variant('hardly cheaper', 3, 2)], [whole]), []);
  assert.deepEqual(titles([whole, variant('hardly right', 40, 60)], [whole]), []);
  assert.deepEqual(titles([whole, variant('early', 40, 2, { exits: {} as Variant['exits'] })], [whole]), []);
  const fast = variant('fast', 30, 0.2);
  assert.deepEqual(titles([whole, fast, variant('wrong one time in four', 60, 25)], [fast, whole]), []);
});
