import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeGoal, type Objective, parseBytes, parseMilliseconds } from './goal.ts';

test('what a goal leaves open is filled in, and undefined leaves it open', () => {
  assert.deepEqual(makeGoal({ metric: 'top1', maxDrop: undefined, p99: 3 }), {
    metric: 'top1',
    maxDrop: 1,
    minimize: 'cost',
    confidence: 0.95,
    p99: 3,
  });
});

test('a goal that makes no sense is refused', () => {
  const bad = { code: 'USAGE_BAD_OPTION' };
  assert.throws(() => makeGoal({ metric: 'top1', maxDrop: -1 }), bad);
  assert.throws(() => makeGoal({ metric: 'top1', maxDrop: Number.NaN }), bad);
  assert.throws(() => makeGoal({ metric: 'top1', p99: 0 }), bad);
  assert.throws(() => makeGoal({ metric: 'top1', maxBytes: -5 }), bad);
  assert.throws(() => makeGoal({ metric: 'top1', confidence: 1 }), bad);
  for (const minimize of ['beauty', 'toString', 'constructor'])
    assert.throws(() => makeGoal({ metric: 'top1', minimize: minimize as Objective }), bad);
});

test('times and sizes are read with their units', () => {
  assert.deepEqual(
    ['10', '10ms', '1.5s', '250 us', '1m'].map(parseMilliseconds),
    [10, 10, 1500, 0.25, 60000],
  );
  assert.deepEqual(['7', '300kB', '2MB', '1KiB', '1 GB'].map(parseBytes), [7, 300e3, 2e6, 1024, 1e9]);
  for (const text of ['', 'ms', '1.2.3s', '-4ms', '5 parsecs']) {
    assert.throws(() => parseMilliseconds(text), { code: 'USAGE_BAD_OPTION' });
    assert.throws(() => parseBytes(text), { code: 'USAGE_BAD_OPTION' });
  }
});
