import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Random } from '../../base/index.ts';
import type { Interval } from '../record.ts';
import {
  binomialCdf,
  bootstrapInterval,
  normalCdf,
  normalQuantile,
  pairedBootstrap,
  pairedProportionInterval,
  quantileInterval,
  wilsonInterval,
} from './index.ts';

const near = (actual: number, expected: number, tolerance: number) =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected} +- ${tolerance}`);
const covers = (interval: Interval, truth: number) => interval.low <= truth && truth <= interval.high;
const SEEDED = { seed: 7, numRuns: 300 };

test('normal quantiles agree with tables and invert the distribution', () => {
  near(normalQuantile(0.975), 1.959963985, 1e-6);
  near(normalQuantile(0.95), 1.644853627, 1e-6);
  near(normalQuantile(1e-5), -4.264890794, 1e-6);
  near(normalQuantile(1e-12), -7.034483825, 1e-5);
  assert.equal(normalQuantile(0.5), 0);
  for (const z of [-3, -1.2, 0.01, 2.5]) near(normalQuantile(normalCdf(z)), z, 1e-4);
});

test('Wilson: Newcombe 1998 (Stat Med 17:857-872, table I, method 3)', () => {
  const cases: [number, number, number, number][] = [
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ];
  for (const [successes, n, low, high] of cases) {
    const interval = wilsonInterval(successes, n);
    near(interval.low, low, 5e-5);
    near(interval.high, high, 5e-5);
  }
});

test('Tango: published examples', () => {
  // Airway hyper-responsiveness (Bentur 2009) in Fagerland, Lydersen and Laake 2014, Stat Med 33:2850-2875.
  const airway = pairedProportionInterval({ onlyFirst: 1, onlySecond: 7, n: 21 });
  near(airway.low, -0.517, 5e-4);
  near(airway.high, -0.026, 5e-4);
  // Disinfection of contact lenses in Tango 1998, 90 %.
  const lenses = pairedProportionInterval({ onlyFirst: 0, onlySecond: 1, n: 44 }, { level: 0.9 });
  near(lenses.low, -0.096, 5e-4);
  near(lenses.high, 0.037, 5e-4);
});

test('Tango keeps a width without discordant pairs, at the edges and mirrored', () => {
  const none = pairedProportionInterval({ onlyFirst: 0, onlySecond: 0, n: 1000 });
  const z = normalQuantile(0.975);
  near(none.high, (z * z) / (1000 + z * z), 1e-9);
  near(none.low, -none.high, 1e-9);
  assert.equal(pairedProportionInterval({ onlyFirst: 5, onlySecond: 0, n: 5 }).high, 1);
  assert.equal(pairedProportionInterval({ onlyFirst: 0, onlySecond: 5, n: 5 }).low, -1);
  fc.assert(
    fc.property(fc.nat(30), fc.nat(30), fc.nat(200), (b, c, rest) => {
      fc.pre(b + c + rest > 0);
      const n = b + c + rest;
      const one = pairedProportionInterval({ onlyFirst: b, onlySecond: c, n });
      const mirrored = pairedProportionInterval({ onlyFirst: c, onlySecond: b, n });
      near(one.low, -mirrored.high, 1e-6);
      assert.ok(one.low < one.high && one.low >= -1 && one.high <= 1);
      assert.ok(covers(one, (b - c) / n));
      const sided = pairedProportionInterval({ onlyFirst: b, onlySecond: c, n }, { oneSided: true });
      assert.ok(sided.low >= one.low - 1e-9 && sided.high <= one.high + 1e-9);
    }),
    SEEDED,
  );
});

/** Share of simulated experiments whose interval covers the truth. */
function coverage(runs: number, once: (random: Random) => boolean): number {
  const random = new Random(11);
  let hit = 0;
  for (let run = 0; run < runs; run++) if (once(random)) hit++;
  return hit / runs;
}

test('Tango covers the true difference at its level, where Wald does not', () => {
  const draw = (random: Random, n: number, b: number, c: number) => {
    let [onlyFirst, onlySecond] = [0, 0];
    for (let i = 0; i < n; i++) {
      const u = random.uniform();
      if (u < b) onlyFirst++;
      else if (u < b + c) onlySecond++;
    }
    return { onlyFirst, onlySecond, n };
  };
  for (const [n, b, c] of [
    [50, 0.1, 0.05],
    [200, 0.02, 0.01],
    [400, 0.004, 0.002],
  ] as const) {
    const got = coverage(3000, (random) => covers(pairedProportionInterval(draw(random, n, b, c)), b - c));
    assert.ok(got > 0.935, `n=${n}: ${got}`);
    // The gate reads the upper bound alone.
    const upper = coverage(
      3000,
      (random) => pairedProportionInterval(draw(random, n, b, c), { oneSided: true }).high >= b - c,
    );
    assert.ok(upper > 0.93, `one-sided n=${n}: ${upper}`);
  }
  const wald = coverage(3000, (random) => {
    const { onlyFirst, onlySecond, n } = draw(random, 400, 0.004, 0.002);
    const d = (onlyFirst - onlySecond) / n;
    const half = (1.96 * Math.sqrt(onlyFirst + onlySecond - (onlyFirst - onlySecond) ** 2 / n)) / n;
    return Math.abs(d - 0.002) <= half;
  });
  assert.ok(wald < 0.93, `Wald covers ${wald}: this simulation could not tell a bad interval`);
});

test('Wilson covers at its level', () => {
  for (const [n, p] of [
    [30, 0.9],
    [300, 0.98],
  ] as const) {
    const got = coverage(4000, (random) => {
      let successes = 0;
      for (let i = 0; i < n; i++) if (random.uniform() < p) successes++;
      return covers(wilsonInterval(successes, n), p);
    });
    assert.ok(got > 0.93, `n=${n}: ${got}`);
  }
});

const meanOf = (values: ArrayLike<number>) => (chosen: Uint32Array) => {
  let sum = 0;
  for (const i of chosen) sum += values[i]!;
  return sum / chosen.length;
};

test('bootstrap: seeded, ordered, covers the mean of skewed data', () => {
  const values = [1, 4, 2, 8, 5, 7];
  const one = bootstrapInterval(6, meanOf(values), { seed: 1 });
  assert.deepEqual(one, bootstrapInterval(6, meanOf(values), { seed: 1 }));
  assert.notDeepEqual(one, bootstrapInterval(6, meanOf(values), { seed: 2 }));
  assert.match(one.method, /BCa, 2000 resamples/);
  assert.ok(one.low > 1 && one.low < 4.5 && one.high > 4.5 && one.high < 8);
  const got = coverage(400, (random) => {
    const sample = Array.from({ length: 60 }, () => -Math.log(1 - random.uniform()));
    return covers(bootstrapInterval(60, meanOf(sample), { seed: random.below(1e9), resamples: 400 }), 1);
  });
  assert.ok(got > 0.9, String(got));
});

test('paired bootstrap cancels what both share, and undefined resamples are left out', () => {
  const random = new Random(3);
  const base = Array.from({ length: 500 }, () => 100 * random.normal());
  const worse = base.map((value) => value - 1 + 0.1 * random.normal());
  const interval = pairedBootstrap(500, meanOf(base), meanOf(worse), { seed: 5, resamples: 500 });
  assert.ok(covers(interval, 1) && interval.high - interval.low < 0.05);
  assert.match(interval.method, /^paired bootstrap \(percentile/);
  const picky = bootstrapInterval(4, (chosen) => (chosen.includes(0) ? 1 : Number.NaN), { seed: 1 });
  assert.equal(picky.low, 1);
  const never = bootstrapInterval(4, () => Number.NaN, { seed: 1 });
  assert.ok(Number.isNaN(never.low) && /none usable/.test(never.method));
});

test('quantile interval: the textbook ranks, coverage, and the truth about few values', () => {
  near(binomialCdf(3, 10, 0.5), 0.171875, 1e-12);
  const hundred = Array.from({ length: 100 }, (_, i) => i + 1);
  const median = quantileInterval(hundred, 0.5);
  assert.deepEqual([median.low, median.high, median.value], [40, 61, 50.5]);
  assert.match(quantileInterval(hundred.slice(0, 20), 0.99).method, /too few/);
  assert.ok(Number.isNaN(quantileInterval([], 0.5).value));
  for (const q of [0.5, 0.95]) {
    const got = coverage(3000, (random) =>
      covers(
        quantileInterval(
          Float64Array.from({ length: 120 }, () => random.uniform()),
          q,
        ),
        q,
      ),
    );
    assert.ok(got >= 0.94, `${q}: ${got}`);
  }
});
