import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../base/index.ts';
import { expectedCalibrationError, fitTemperature, type Scored } from './calibrate.ts';

/** Classes drawn with the probabilities of their logits; the scores that are given are `factor` times those logits. */
function drawn(factor: number, classes: number, samples = 4000): Scored {
  const random = new Random(3);
  const scores: number[] = [];
  const truth: number[] = [];
  for (let i = 0; i < samples; i++) {
    const own = Array.from({ length: classes }, () => 1.5 * random.normal());
    const logits = classes === 1 ? [0, own[0]!] : own;
    const weights = logits.map(Math.exp);
    let u = random.uniform() * weights.reduce((a, b) => a + b, 0);
    let c = 0;
    while (c < weights.length - 1 && u >= weights[c]!) u -= weights[c++]!;
    truth.push(c);
    scores.push(...own.map((value) => factor * value));
  }
  return { scores, classes, scale: 'logits', truth };
}

for (const [factor, classes] of [
  [1, 5],
  [4, 5],
  [0.25, 5],
  [300, 3],
  [6, 1],
] as const) {
  test(`scores ${factor} times too large ask for that temperature (${classes} classes)`, () => {
    const scored = drawn(factor, classes);
    const { temperature, eceBefore, eceAfter, nllBefore, nllAfter } = fitTemperature(scored);
    assert.ok(Math.abs(Math.log(temperature / factor)) < 0.1, `${temperature}`);
    assert.ok(nllAfter <= nllBefore && eceAfter < 0.03, `${eceAfter}`);
    if (factor !== 1) assert.ok(eceBefore > 3 * eceAfter, `${eceBefore} to ${eceAfter}`);
  });
}

test('the calibration error of answers worked out by hand', () => {
  // Sure to 0.8 and right in one of two: 0.3 off; sure to 0.6 and right: 0.4 off.
  const logit = (p: number) => Math.log(p / (1 - p));
  const scored: Scored = {
    scores: [logit(0.8), logit(0.8), logit(0.6)],
    classes: 1,
    scale: 'logits',
    truth: [1, 0, 1],
  };
  assert.ok(Math.abs(expectedCalibrationError(scored, 1) - (2 / 3) * 0.3 - (1 / 3) * 0.4) < 1e-9);
});

test('probabilities are read as such, and samples that are not numbers do not count', () => {
  const logits = drawn(4, 4, 1000);
  const scores: number[] = [];
  for (let i = 0; i < logits.scores.length; i += 4) {
    const row = [0, 1, 2, 3].map((c) => Math.exp(logits.scores[i + c]!));
    const sum = row.reduce((a, b) => a + b, 0);
    scores.push(...row.map((value) => value / sum));
  }
  const one = fitTemperature(logits).temperature;
  const other = fitTemperature({ ...logits, scores, scale: 'probabilities' }).temperature;
  assert.ok(Math.abs(one / other - 1) < 1e-3, `${one} ${other}`);
  const spoilt = {
    ...logits,
    scores: [...Array.from(logits.scores), Number.NaN, 0, 0, 0],
    truth: [...Array.from(logits.truth), 0],
  };
  assert.ok(Math.abs(fitTemperature(spoilt).temperature / one - 1) < 1e-9);
  assert.equal(fitTemperature({ ...logits, scores: [], truth: [] }).temperature, 1);
});
