import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../base/index.ts';
import { ServiceCurve } from './curve.ts';

const real = (n: number) => 0.9 + 0.095 * n;
const near = (actual: number, expected: number, share: number) =>
  assert.ok(Math.abs(actual / expected - 1) < share, `${actual} is not ${expected}`);

function learned(seed: number, draw: (n: number, random: Random) => number): ServiceCurve {
  const random = new Random(seed);
  const curve = new ServiceCurve({ maxBatch: 64 });
  for (let i = 0; i < 2000; i++) {
    const n = 1 + random.below(32);
    curve.observe(n, draw(n, random));
  }
  return curve;
}

test('means between, at and beyond the sizes seen are those of the machine, and the high quantile holds', () => {
  const noisy = (n: number, random: Random) => real(n) * Math.exp(0.08 * random.normal());
  const curve = learned(1, noisy);
  for (const n of [1, 2, 5, 11, 20, 32, 48, 64]) near(curve.mean(n), real(n), 0.08);
  const random = new Random(9);
  let above = 0;
  for (let i = 0; i < 4000; i++) if (noisy(16, random) > curve.high(16)) above++;
  assert.ok(above < 160, `${above} of 4000 above the high quantile`);
  assert.ok(curve.high(16) < 1.4 * real(16), 'not by being careless of time');
});

test('one stall moves nothing much; a machine that has become slower is believed soon', () => {
  const curve = learned(2, (n) => real(n));
  const [mean, high] = [curve.mean(8), curve.high(8)];
  curve.observe(8, 100 * real(8));
  near(curve.mean(8), mean, 0.05);
  near(curve.high(8), high, 0.1);
  for (let i = 0; i < 80; i++) curve.observe(8, 2 * real(8));
  near(curve.mean(8), 2 * real(8), 0.1);
  assert.ok(curve.mean(16) > 1.3 * real(16), 'sizes that were not run are slower as well');
});

test('of rare long stalls it is not made so careful that nothing could be promised', () => {
  const curve = learned(3, (n, random) => real(n) * (random.uniform() < 0.02 ? 30 : 1));
  assert.ok(curve.high(8) < 2 * real(8), `${curve.high(8)}`);
});

test('it never falls, and the best size is where throughput ends to grow', () => {
  const curve = new ServiceCurve({ maxBatch: 64 });
  for (const [n, ms] of [
    [1, 1],
    [2, 0.8],
    [4, 1.2],
    [8, 2],
    [16, 4],
    [32, 8.1],
    [64, 17],
  ] as const) {
    for (let i = 0; i < 5; i++) curve.observe(n, ms);
  }
  for (let n = 2; n <= 64; n++) assert.ok(curve.mean(n) >= curve.mean(n - 1));
  assert.ok(curve.best() >= 8 && curve.best() <= 16, `${curve.best()}`);
  assert.equal(curve.best(4), 4);
});

test('a curve that has seen one size tries larger ones, step by step', () => {
  const curve = new ServiceCurve({ maxBatch: 64 });
  assert.equal(curve.mean(5), 0);
  curve.observe(1, 1);
  assert.equal(curve.best(), 2);
  curve.observe(2, 1.2);
  assert.equal(curve.best(), 4);
});
