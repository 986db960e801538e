import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../base/index.ts';
import { binomialPValue, pairedDropPValue } from './index.ts';
import { pairedScore } from './proportion.ts';

test('where second never mends anything it is about the binomial test, and never below it', () => {
  for (const [lost, n, alpha] of [
    [0, 600, 0.005],
    [2, 1000, 0.01],
    [5, 400, 0.03],
  ] as const) {
    const p = pairedDropPValue({ onlyFirst: lost, onlySecond: 0, n }, alpha);
    const exact = binomialPValue(lost, n, alpha);
    assert.ok(p >= exact * (1 - 1e-9) && p < exact + 0.03, `${lost} of ${n}: ${p} against ${exact}`);
  }
});

test('what second mends speaks for it, what it loses against it', () => {
  const p = (onlyFirst: number, onlySecond: number) =>
    pairedDropPValue({ onlyFirst, onlySecond, n: 2000 }, 0.005);
  assert.ok(p(8, 8) < 0.02, `${p(8, 8)}`);
  assert.ok(binomialPValue(8, 2000, 0.005) > 0.2, 'a bound on the lost alone sees nothing here');
  assert.ok(p(8, 8) < p(10, 8) && p(10, 8) < p(12, 8) && p(8, 8) < p(8, 5));
  assert.equal(p(30, 2), 1);
  assert.equal(pairedDropPValue({ onlyFirst: 0, onlySecond: 0, n: 0 }, 0.1), 1);
});

test('on small samples it is the sum over all outcomes, worked out one by one', () => {
  const [n, alpha] = [12, 0.1];
  const seen = { onlyFirst: 1, onlySecond: 3, n };
  const limit = pairedScore(seen, alpha) + 1e-9;
  const choose = (a: number, b: number): number => (b === 0 ? 1 : (choose(a - 1, b - 1) * a) / b);
  let worst = 0;
  for (let q = 0; q <= 0.45; q += 0.0005) {
    let sum = 0;
    for (let first = 0; first <= n; first++) {
      for (let second = 0; first + second <= n; second++) {
        if (pairedScore({ onlyFirst: first, onlySecond: second, n }, alpha) > limit) continue;
        sum +=
          choose(n, first) *
          choose(n - first, second) *
          (q + alpha) ** first *
          q ** second *
          (1 - 2 * q - alpha) ** (n - first - second);
      }
    }
    worst = Math.max(worst, sum);
  }
  const p = pairedDropPValue(seen, alpha);
  assert.ok(Math.abs(p - worst) < 1e-4, `${p} ${worst}`);
});

test('the order of outcomes is one that its worst case needs: losing more or mending less is never further away', () => {
  for (const [n, alpha] of [
    [15, 0.1],
    [40, 0.02],
    [25, 0.3],
  ] as const) {
    const at = (onlyFirst: number, onlySecond: number) => pairedScore({ onlyFirst, onlySecond, n }, alpha);
    for (let first = 0; first <= n; first++) {
      for (let second = 0; first + second <= n; second++) {
        if (first > 0)
          assert.ok(at(first - 1, second) <= at(first, second) + 1e-9, `${n}: ${first} ${second}`);
        if (first + second < n)
          assert.ok(at(first, second + 1) <= at(first, second) + 1e-9, `${n}: ${first} ${second}`);
      }
    }
  }
});

test('on the border of the hypothesis it rejects no more often than its level', () => {
  const random = new Random(5);
  const [n, alpha, level, trials] = [400, 0.01, 0.1, 1500];
  for (const mended of [0, 0.005, 0.05, 0.2]) {
    const memory = new Map<string, number>();
    let rejected = 0;
    for (let trial = 0; trial < trials; trial++) {
      let [onlyFirst, onlySecond] = [0, 0];
      for (let i = 0; i < n; i++) {
        const u = random.uniform();
        if (u < mended) onlySecond++;
        else if (u < 2 * mended + alpha) onlyFirst++;
      }
      const key = `${onlyFirst} ${onlySecond}`;
      const p = memory.get(key) ?? pairedDropPValue({ onlyFirst, onlySecond, n }, alpha);
      memory.set(key, p);
      if (p <= level) rejected++;
    }
    // Three standard errors of a share of 10 % over 1500 trials are 2.3 points.
    assert.ok(rejected / trials <= level + 0.023, `${mended}: ${rejected / trials}`);
    if (mended > 0) assert.ok(rejected / trials > level / 3, `it is of use: ${rejected / trials}`);
  }
});
