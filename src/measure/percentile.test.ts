import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../base/index.ts';
import {
  binomialCdf,
  earlyStoppingEstimate,
  earlyStoppingQueries,
  percentileInterval,
  percentileOf,
  runsForInterval,
} from './percentile.ts';

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

test('the binomial distribution agrees with sums by hand', () => {
  assert.ok(Math.abs(binomialCdf(2, 5, 0.5) - 0.5) < 1e-12);
  assert.ok(Math.abs(binomialCdf(0, 10, 0.1) - 0.9 ** 10) < 1e-12);
  assert.ok(Math.abs(binomialCdf(99, 100, 0.9) - (1 - 0.9 ** 100)) < 1e-12);
});

test('percentiles by nearest rank', () => {
  const ten = Float64Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  assert.equal(percentileOf(ten, 0.5), 5);
  assert.equal(percentileOf(ten, 0.9), 9);
  assert.equal(percentileOf(ten, 0.99), 10);
  assert.equal(percentileOf(ten.subarray(0, 1), 0.99), 1);
});

test('the interval of a median is the textbook one, and needs enough runs', () => {
  // n = 10, 95 %: x(2) .. x(9) covers 97.9 %; x(3) .. x(8) only 89.1 %.
  const ten = Float64Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  const interval = percentileInterval(ten, 0.5);
  assert.deepEqual([interval?.low, interval?.high], [2, 9]);
  assert.equal(percentileInterval(ten.subarray(0, 5), 0.5), undefined);
  assert.equal(runsForInterval(0.5), 6);
  for (const p of [0.5, 0.9, 0.99]) {
    const n = runsForInterval(p);
    const sorted = Float64Array.from({ length: n }, (_, i) => i);
    assert.notEqual(percentileInterval(sorted, p), undefined);
    assert.equal(percentileInterval(sorted.subarray(0, n - 1), p), undefined);
  }
});

test('the interval covers the true quantile as often as it says', () => {
  const random = new Random(5);
  for (const [p, truth] of [
    [0.5, Math.LN2],
    [0.9, Math.log(10)],
  ] as const) {
    let covered = 0;
    for (let trial = 0; trial < 1000; trial++) {
      const values = Float64Array.from({ length: 200 }, () => -Math.log(1 - random.uniform())).sort();
      const interval = percentileInterval(values, p)!;
      if (interval.low <= truth && truth <= interval.high) covered++;
    }
    assert.ok(covered >= 940 && covered <= 990, `${covered} of 1000 at p=${p}`);
  }
});
