import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../base/index.ts';
import { bettingPValue } from './betting.ts';
import { hoeffdingBentkusPValue } from './learn-then-test.ts';

/** How often the claim "above alpha" is rejected at a level, for losses drawn by a rule. */
function rejections(draw: (random: Random) => number, alpha: number, delta: number, n: number): number {
  const random = new Random(3);
  let rejected = 0;
  for (let round = 0; round < 2000; round++) {
    if (
      bettingPValue(
        Float64Array.from({ length: n }, () => draw(random)),
        alpha,
      ) <= delta
    )
      rejected++;
  }
  return rejected / 2000;
}

test('where the mean is alpha, it is rejected no more often than allowed', () => {
  const coin = (p: number) => (random: Random) => (random.uniform() < p ? 1 : 0);
  for (const [alpha, n] of [
    [0.02, 300],
    [0.1, 100],
    [0.5, 40],
  ] as const) {
    for (const delta of [0.05, 0.2]) {
      // Two standard errors of 2000 rounds.
      assert.ok(
        rejections(coin(alpha), alpha, delta, n) <= delta + 2 * Math.sqrt((delta * (1 - delta)) / 2000),
      );
    }
  }
  assert.ok(
    rejections((random) => 0.2 * random.uniform(), 0.1, 0.05, 200) <= 0.06,
    'losses that vary little',
  );
});

test('where losses vary little it proves what Hoeffding and Bentkus cannot', () => {
  const random = new Random(4);
  const losses = Float64Array.from({ length: 300 }, () => 0.016 * random.uniform());
  const mean = losses.reduce((sum, loss) => sum + loss, 0) / 300;
  assert.ok(bettingPValue(losses, 0.02) < 0.05);
  assert.ok(hoeffdingBentkusPValue(mean, 300, 0.02) > 0.05);
});

test('by hand, and at the ends', () => {
  // Stakes: sqrt(2 ln 20 / (2 * 0.25)) is above 1, so 1; the variance then is (0.25 + (0 - 0.25)^2) / 2, and the stake 1 again.
  assert.ok(Math.abs(bettingPValue([0, 0], 0.2) - 1 / 1.2 ** 2) < 1e-12);
  assert.equal(bettingPValue([1, 1], 0.2), 1, 'the capital never rises');
  // It counts how far the capital ever came.
  assert.ok(Math.abs(bettingPValue([0, 1], 0.2) - 1 / 1.2) < 1e-12);
  assert.deepEqual([bettingPValue([], 0.1), bettingPValue([0], 0), bettingPValue([1], 1)], [1, 1, 0]);
});
