import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { DurationHistogram } from './histogram.ts';

function exact(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(1, Math.ceil(q * sorted.length)) - 1]!;
}

test('quantiles are within 4 % of the exact ones, however the values are spread over merged parts', () => {
  const durations = fc.array(fc.double({ min: 0.011, max: 500_000, noNaN: true }), {
    minLength: 1,
    maxLength: 300,
  });
  fc.assert(
    fc.property(durations, fc.integer({ min: 1, max: 5 }), (values, parts) => {
      const pieces = Array.from({ length: parts }, () => new DurationHistogram());
      for (const [i, value] of values.entries()) pieces[i % parts]!.add(value);
      const all = new DurationHistogram();
      for (const piece of pieces) all.merge(piece);
      assert.equal(all.total, values.length);
      assert.equal(all.max, Math.max(...values));
      for (const q of [0, 0.5, 0.9, 0.99, 1]) {
        const want = exact(values, q);
        const got = all.quantile(q)!;
        assert.ok(Math.abs(got - want) <= want * 0.04 + 1e-9, `q ${q}: ${got}, not ${want}`);
      }
    }),
  );
});

test('nothing counted has no quantile; what is no duration is not counted', () => {
  const empty = new DurationHistogram();
  empty.add(Number.NaN);
  empty.add(-1);
  assert.equal(empty.quantile(0.5), null);
  assert.equal(empty.max, null);
  empty.add(3);
  empty.clear();
  assert.deepEqual([empty.total, empty.quantile(0.5), empty.rows()], [0, null, []]);
});

test('what lies beyond the bins is still counted, and the highest value is told as it is', () => {
  const wide = new DurationHistogram();
  wide.add(0);
  wide.add(1e9);
  assert.equal(wide.total, 2);
  assert.equal(wide.max, 1e9);
  assert.equal(
    wide.rows().reduce((sum, { count }) => sum + count, 0),
    2,
  );
});
