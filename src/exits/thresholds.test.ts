import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../base/index.ts';
import { certify, type ExitTable, fromSafest, outcomeOf, thresholdPath } from './thresholds.ts';

const NOBODY = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];

/** Two exits and a last stage. Each has its chance to be wrong on a sample, and is the surer the smaller that is. */
function table(samples: number, seed: number, labelled = true): ExitTable {
  const random = new Random(seed);
  const confidence = [new Float64Array(samples), new Float64Array(samples)];
  const right = [0, 1, 2].map(() => new Uint8Array(samples));
  const whole = new Uint8Array(samples);
  for (let i = 0; i < samples; i++) {
    const hard = random.uniform();
    const wrong = [0.5, 0.3].map((most) => Math.min(1, most * hard ** 4 + 0.15 * hard ** 12));
    whole[i] = labelled && random.uniform() < 0.08 * hard ** 2 ? 0 : 1;
    right[2]![i] = whole[i]!;
    for (const [exit, chance] of wrong.entries()) {
      confidence[exit]![i] = 1 - chance + 0.01 * random.normal();
      right[exit]![i] = random.uniform() < chance ? 1 - whole[i]! : whole[i]!;
    }
  }
  return { samples, macs: [20, 45, 100], confidence, right, whole };
}

test('samples leave at the first exit that is sure of them', () => {
  const small: ExitTable = {
    samples: 4,
    macs: [1, 3, 10],
    confidence: [Float64Array.of(0.9, 0.5, 0.2, Number.NaN), Float64Array.of(0.1, 0.8, 0.3, 0.9)],
    right: [Uint8Array.of(1, 0, 0, 1), Uint8Array.of(1, 0, 1, 1), Uint8Array.of(1, 1, 0, 1)],
    whole: Uint8Array.of(1, 1, 0, 0),
  };
  assert.deepEqual(outcomeOf(small, [0.9, 0.8]), {
    n: 4,
    lost: 1,
    gained: 1,
    macs: (1 + 3 + 10 + 3) / 4,
    leaving: [1, 2, 1],
    right: [1, 1, 0],
  });
  assert.deepEqual(outcomeOf(small, NOBODY).leaving, [0, 0, 4]);
});

test('a path begins with nobody, lets go more and more, and costs less at every step', () => {
  const tuning = table(1500, 1);
  const path = thresholdPath(tuning);
  assert.deepEqual(path[0], NOBODY);
  for (const [i, thresholds] of path.entries()) {
    if (i === 0) continue;
    assert.ok(thresholds.every((value, exit) => value <= path[i - 1]![exit]!));
    assert.ok(outcomeOf(tuning, thresholds).macs <= outcomeOf(tuning, path[i - 1]!).macs);
  }
  assert.equal(outcomeOf(tuning, path.at(-1)!).leaving[0], 1500);
  assert.ok(path.length > 30 && path.length <= 201, `${path.length}`);
});

test('certified thresholds save work and keep their promise on other samples', () => {
  const path = thresholdPath(table(1500, 1));
  const found = certify(path, table(3000, 2), { maxDrop: 0.01, confidence: 0.95 });
  assert.equal(found.outcome, 'certified');
  assert.equal(found.test, 'paired');
  assert.ok(found.pValue <= 0.05 && found.tested <= found.path);
  const { n, lost, gained, macs } = outcomeOf(table(200_000, 3), found.thresholds);
  assert.ok((lost - gained) / n <= 0.01, `${(lost - gained) / n}`);
  assert.ok(macs < 70, `${macs}`);
  // Counting lost answers alone promises more, and lets fewer go.
  const strict = certify(path, table(3000, 2), { maxDrop: 0.01, confidence: 0.95, counts: 'lost' });
  assert.ok(
    outcomeOf(table(3000, 2), strict.thresholds).macs >= outcomeOf(table(3000, 2), found.thresholds).macs,
  );
});

test('where exits mend more than they lose the test begins where that shows, else where nobody leaves', () => {
  const usual = table(1500, 1);
  const path = thresholdPath(usual);
  assert.equal(fromSafest(path, usual, 0.01).length, path.length);
  // A whole model that is wrong on a fifth of the samples, on which the exits are right.
  const mending: ExitTable = {
    ...usual,
    whole: usual.whole.map((right, i) => (i % 5 === 0 ? 0 : right)),
    right: usual.right.map((right, stage) =>
      right.map((one, i) => (i % 5 === 0 ? (stage < 2 ? 1 : 0) : one)),
    ),
  };
  const steps = thresholdPath(mending);
  const later = fromSafest(steps, mending, 0.01);
  assert.ok(later.length < steps.length);
  const { lost, gained } = outcomeOf(mending, later[0]!);
  assert.ok(gained > lost + 100, `${gained} ${lost}`);
  // What is tested is a part of the path: from its step on.
  assert.deepEqual(later, steps.slice(steps.length - later.length));
});

test('with too few samples to promise anything nobody leaves', () => {
  // Without a single loss 59 samples are the least that exclude 5 % at 95 %.
  const few = (n: number) =>
    certify(thresholdPath(table(500, 1, false)), table(n, 4, false), { maxDrop: 0.05, confidence: 0.95 });
  assert.deepEqual(few(58).thresholds, NOBODY);
  assert.equal(few(58).outcome, 'infeasible');
  assert.equal(few(58).test, 'binomial');
  assert.equal(few(59).outcome, 'certified');
  assert.throws(() => certify([], table(9, 1), { maxDrop: 0, confidence: 0.9 }), {
    code: 'USAGE_BAD_OPTION',
  });
});

/** Share of trials in which the thresholds lose more than they may, by a part of 100,000 samples as the truth. */
function broken(choose: (tuning: ExitTable, other: ExitTable) => readonly number[]): number {
  const truth = table(40_000, 99);
  const trials = 120;
  let count = 0;
  for (let trial = 0; trial < trials; trial++) {
    const { n, lost, gained } = outcomeOf(
      truth,
      choose(table(400, 2 * trial + 100), table(700, 2 * trial + 101)),
    );
    if ((lost - gained) / n > 0.02) count++;
  }
  return count / trials;
}

test('the promise is broken no more often than said; thresholds chosen by the tuning part alone break it often', () => {
  const delta = 0.1;
  const certified = broken(
    (tuning, other) =>
      certify(fromSafest(thresholdPath(tuning), tuning, 0.02), other, {
        maxDrop: 0.02,
        confidence: 1 - delta,
      }).thresholds,
  );
  // Three standard errors of 10 % over 120 trials are 8 points.
  assert.ok(certified <= delta + 0.08, `${certified}`);
  const naive = broken((tuning) => {
    const within = thresholdPath(tuning).filter((thresholds) => {
      const { n, lost, gained } = outcomeOf(tuning, thresholds);
      return (lost - gained) / n <= 0.02;
    });
    return within.at(-1)!;
  });
  assert.ok(naive > 2 * delta, `${naive}`);
});
