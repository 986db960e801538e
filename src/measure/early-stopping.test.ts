import assert from 'node:assert/strict';
import { test } from 'node:test';
import { earlyStoppingEstimate, earlyStoppingQueries, runsForInterval } from './early-stopping.ts';
import { quantileInterval } from './statistics/index.ts';

test("MLPerf's early-stopping table comes out exactly", () => {
  const overs = [0, 1, 2, 3, 5, 10, 50, 100];
  const table: Record<number, number[]> = {
    0.9: [44, 64, 81, 97, 127, 197, 681, 1246],
    0.95: [90, 130, 165, 198, 259, 398, 1372, 2504],
    0.99: [459, 662, 838, 1001, 1307, 2010, 6898, 12571],
    0.999: [4603, 6636, 8403, 10042, 13105, 20140, 69058, 125826],
  };
  for (const [p, row] of Object.entries(table)) {
    assert.deepEqual(
      overs.map((over) => earlyStoppingQueries(Number(p), over)),
      row,
    );
  }
});

test('the early-stopping estimate puts t-1 of the highest aside', () => {
  const sorted = Float64Array.from({ length: 838 }, (_, i) => i);
  assert.equal(earlyStoppingEstimate(sorted, 0.99), 836);
  assert.equal(earlyStoppingEstimate(sorted.subarray(0, 837), 0.99), 836);
  assert.equal(earlyStoppingEstimate(sorted.subarray(0, 661), 0.99), undefined);
});

test('the least number of runs with which a percentile has two bounds', () => {
  for (const p of [0.5, 0.9, 0.99]) {
    const n = runsForInterval(p);
    const values = Float64Array.from({ length: n }, (_, i) => i);
    assert.doesNotMatch(quantileInterval(values, p).method, /too few/);
    assert.match(quantileInterval(values.subarray(0, n - 1), p).method, /too few/);
  }
});
