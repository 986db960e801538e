import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Budget } from './budget.ts';
import { fallbackCounts } from './fallback.ts';
import { fixedSequence } from './fixed-sequence.ts';
import { defaultRunSettings, latencySettings, settingsInWords, throughputSettings } from './settings.ts';

test('no settings ask for more threads than cores, or batches over the largest', () => {
  for (const cores of [1, 2, 3, 6, 8, 64]) {
    const all = throughputSettings(cores, 20);
    for (const { batch, threads, instances } of all) {
      assert.ok(threads * instances <= cores && Number.isInteger(threads) && batch <= 20);
    }
    assert.ok(
      all.some(({ instances }) => instances === 1) && all.some(({ instances }) => instances === cores),
    );
    assert.equal(new Set(all.map((row) => JSON.stringify(row))).size, all.length);
    const threads = latencySettings(cores).map((row) => row.threads);
    assert.ok(threads.includes(1) && threads.includes(cores) && threads.every((n) => n <= cores));
  }
});

test('settings in words', () => {
  assert.equal(settingsInWords(defaultRunSettings(1)), 'batch 1, 1 x 1 thread');
  assert.equal(
    settingsInWords({ batch: 8, threads: 4, instances: 2, level: 'basic', provider: 'webgpu' }),
    'batch 8, 2 x 4 threads, basic optimizations, webgpu',
  );
});

test('fall-back takes more layers each time, at most half, never all', () => {
  assert.deepEqual(fallbackCounts(0), []);
  assert.deepEqual(fallbackCounts(1), []);
  assert.deepEqual(fallbackCounts(2), [1]);
  assert.deepEqual(fallbackCounts(9), [1, 2, 4]);
  assert.deepEqual(fallbackCounts(32), [1, 2, 4, 8, 16]);
});

test('a fixed sequence stops at the first that fails and tests nothing after it', async () => {
  const tested: number[] = [];
  const run = (items: number[]) =>
    fixedSequence(items, async (item) => {
      tested.push(item);
      return item < 3;
    });
  assert.equal(await run([1, 2, 3, 1]), 2);
  assert.deepEqual(tested, [1, 2, 3]);
  assert.equal(await run([]), 0);
});

test('a budget refuses past its share, and lists each thing left out once', () => {
  let now = 0.01;
  const budget = new Budget(0.05, () => now);
  assert.ok(budget.allows('early', 1));
  now = 0.06;
  assert.ok(!budget.allows('late'));
  assert.ok(!budget.allows('late'));
  budget.skip('odd', 'it cannot be made');
  assert.deepEqual(
    budget.skipped.map(({ what }) => what),
    ['late', 'odd'],
  );
  assert.ok(budget.spent > 1);
});
