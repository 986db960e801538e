import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  earlyStoppingAllowed,
  earlyStoppingEstimate,
  earlyStoppingQueries,
  runsForInterval,
} from './early-stopping.ts';
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

test('what n queries allow is the inverse of the table', () => {
  for (const p of [0.9, 0.95, 0.99, 0.999]) {
    assert.equal(earlyStoppingAllowed(earlyStoppingQueries(p, 0) - 1, p), undefined);
    for (const over of [0, 1, 2, 3, 5, 10, 50, 100]) {
      const least = earlyStoppingQueries(p, over);
      assert.equal(earlyStoppingAllowed(least, p), over, `${over} at ${p}`);
      if (over > 0) assert.equal(earlyStoppingAllowed(least - 1, p), over - 1, `${over} at ${p}`);
    }
  }
});

test('what logs of LoadGen say of real runs comes out', () => {
  // "Processed at least 64 queries (N). Would discard D highest latency queries" of SingleStream, which is t - 1.
  for (const [queries, discarded] of [
    [2048, 172],
    [2116, 178],
    [2145, 181],
    [7469, 685],
  ] as const) {
    assert.equal(earlyStoppingAllowed(queries, 0.9), discarded + 1, `${queries} queries`);
  }
  // Server: "Processed 21 queries. Would need to run at least 438 more".
  assert.equal(earlyStoppingQueries(0.99, 0) - 21, 438);
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
