import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../base/index.ts';
import { binomialPValue, bonferroniTest, fixedSequenceTest, hoeffdingBentkusPValue } from './index.ts';

const near = (actual: number, expected: number, tolerance = 1e-9) =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected}`);

test('the exact p-value is the tail of the binomial', () => {
  // Three samples at a risk of one half: 1/8, then 1/8 + 3/8.
  near(binomialPValue(0, 3, 0.5), 1 / 8);
  near(binomialPValue(1, 3, 0.5), 1 / 2);
  // No loss in 59 samples is the least that excludes 5 % at the level 5 %.
  assert.ok(binomialPValue(0, 59, 0.05) < 0.05 && binomialPValue(0, 58, 0.05) > 0.05);
  assert.equal(binomialPValue(0, 0, 0.5), 1);
});

test('the Hoeffding-Bentkus p-value is the smaller of two bounds, and no smaller than the exact one', () => {
  // At risk 0 the relative entropy is -ln(1 - alpha), so Hoeffding's bound is (1 - alpha)^n and wins over e times that.
  near(hoeffdingBentkusPValue(0, 10, 0.1), 0.9 ** 10);
  // At risk 0.1, alpha 0.5, n 10: Hoeffding exp(-10 (0.1 ln 0.2 + 0.9 ln 1.8)) = 0.0253, Bentkus e * 11/1024 = 0.0292.
  near(hoeffdingBentkusPValue(0.1, 10, 0.5), Math.exp(-10 * (0.1 * Math.log(0.2) + 0.9 * Math.log(1.8))));
  // At risk 0.3 Hoeffding 0.4391, Bentkus e * 176/1024 = 0.4672; from 0.9 of alpha on Bentkus is the smaller: n 200.
  near(hoeffdingBentkusPValue(0.45, 200, 0.5), Math.E * binomialPValue(90, 200, 0.5));
  for (const k of [0, 1, 3, 8]) {
    const exact = binomialPValue(k, 40, 0.3);
    assert.ok(hoeffdingBentkusPValue(k / 40, 40, 0.3) >= exact * (1 - 1e-9), `${k}`);
  }
  assert.equal(hoeffdingBentkusPValue(0.9, 50, 0.5), 1);
  assert.equal(hoeffdingBentkusPValue(0, 0, 0.5), 1);
});

test('a fixed sequence stops at the first failure and asks no further', () => {
  const asked: number[] = [];
  const pValues = [0.001, 0.04, 0.06, 0.0001];
  const result = fixedSequenceTest(
    4,
    (i) => {
      asked.push(i);
      return pValues[i]!;
    },
    0.05,
  );
  assert.deepEqual(result, {
    outcome: 'certified',
    chosen: 1,
    valid: [0, 1],
    pValues: [0.001, 0.04, 0.06],
  });
  assert.deepEqual(asked, [0, 1, 2]);
  assert.deepEqual(
    fixedSequenceTest(4, () => 0.5, 0.05),
    { outcome: 'infeasible', pValues: [0.5] },
  );
  assert.equal(fixedSequenceTest(2, () => Number.NaN, 0.05).outcome, 'infeasible');
  assert.throws(() => fixedSequenceTest(1, () => 0, 1), { code: 'USAGE_BAD_OPTION' });
});

test('Bonferroni shares the level among all settings, in whatever order', () => {
  const pValues = [0.01, 0.5, 0.02, 0.3];
  const result = bonferroniTest(pValues, 0.05);
  assert.deepEqual(result, { outcome: 'certified', chosen: 0, valid: [0], pValues });
  assert.deepEqual(bonferroniTest([0.02, 0.02, 0.02], 0.05), {
    outcome: 'infeasible',
    pValues: [0.02, 0.02, 0.02],
  });
});

/** Share of trials in which a setting is chosen whose true risk is above alpha; risks rise from setting to setting. */
function violations(choose: (losses: readonly number[], n: number) => number | undefined): number {
  const [n, trials] = [300, 2000];
  const risks = [0.02, 0.04, 0.06, 0.08, 0.1001, 0.12, 0.15];
  const random = new Random(11);
  let broken = 0;
  for (let trial = 0; trial < trials; trial++) {
    // One draw decides all settings of a sample, as thresholds do: who is lost at a safe one is lost at a risky one.
    const losses = risks.map(() => 0);
    for (let i = 0; i < n; i++) {
      const u = random.uniform();
      for (const [j, risk] of risks.entries()) if (u < risk) losses[j]!++;
    }
    const chosen = choose(losses, n);
    if (chosen !== undefined && risks[chosen]! > 0.1) broken++;
  }
  return broken / trials;
}

const chosenOf = (result: ReturnType<typeof bonferroniTest>) =>
  result.outcome === 'certified' ? result.chosen : undefined;

test('a bound is broken no more often than promised, and a test without bounds breaks it', () => {
  // Three standard errors of a share of 10 % over 2000 trials are 2 points.
  const delta = 0.1;
  const exact = violations((losses, n) =>
    chosenOf(fixedSequenceTest(losses.length, (i) => binomialPValue(losses[i]!, n, 0.1), delta)),
  );
  assert.ok(exact <= delta + 0.02, `${exact}`);
  // Not by never choosing anything: it is used to a good part.
  assert.ok(exact > delta / 4, `${exact}`);
  const bounded = violations((losses, n) =>
    chosenOf(fixedSequenceTest(losses.length, (i) => hoeffdingBentkusPValue(losses[i]! / n, n, 0.1), delta)),
  );
  assert.ok(bounded <= exact, `${bounded} ${exact}`);
  const shared = violations((losses, n) =>
    chosenOf(
      bonferroniTest(
        losses.map((k) => binomialPValue(k, n, 0.1)),
        delta,
      ),
    ),
  );
  assert.ok(shared <= delta + 0.02, `${shared}`);
  const naive = violations((losses, n) => {
    const below = losses.filter((k) => k / n <= 0.1).length;
    return below > 0 ? below - 1 : undefined;
  });
  assert.ok(naive > 3 * delta, `${naive}`);
});
