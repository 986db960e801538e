import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Tensor } from '../graph/index.ts';
import type { ScoreReading } from './confidence.ts';
import { confidencesOf } from './scores.ts';

const rule = (confidence: ScoreReading['confidence'], rest: Partial<ScoreReading> = {}) =>
  ({ scale: 'logits', temperature: 1, confidence, ...rest }) as const;
const near = (found: Float64Array, wanted: readonly number[]) => {
  assert.equal(found.length, wanted.length);
  found.forEach((value, i) => {
    assert.ok(Math.abs(value - wanted[i]!) < 1e-5, `${[...found]} is not ${wanted}`);
  });
};

// Probabilities 0.7, 0.2, 0.1 and 1/3 each.
const P = [0.7, 0.2, 0.1, 1 / 3, 1 / 3, 1 / 3];
const logits = Tensor.float32(
  [2, 3],
  P.map((p) => Math.log(p) + 100),
);
const entropy = 1 + (0.7 * Math.log(0.7) + 0.2 * Math.log(0.2) + 0.1 * Math.log(0.1)) / Math.log(3);

test('the three ways, by hand', () => {
  const sharp = (confidence: ScoreReading['confidence'], wanted: number[]) => {
    const found = confidencesOf(logits, 2, rule(confidence));
    found.forEach((value, i) => {
      assert.ok(Math.abs(value - wanted[i]!) < 1e-4);
    });
  };
  sharp('max-probability', [0.7, 1 / 3]);
  sharp('margin', [0.5, 0]);
  sharp('entropy', [entropy, 0]);
});

test('probabilities are read as such, and softened by the temperature', () => {
  const p = Tensor.float32([2, 3], P);
  near(confidencesOf(p, 2, rule('max-probability', { scale: 'probabilities' })), [0.7, 1 / 3]);
  const roots = [Math.sqrt(0.7), Math.sqrt(0.2), Math.sqrt(0.1)];
  const soft = roots[0]! / (roots[0]! + roots[1]! + roots[2]!);
  near(confidencesOf(p, 2, rule('max-probability', { scale: 'probabilities', temperature: 2 })), [
    soft,
    1 / 3,
  ]);
  near(confidencesOf(Tensor.float32([1, 2], [1, 0]), 1, rule('entropy', { scale: 'probabilities' })), [1]);
});

test('one column is yes or no', () => {
  const column = Tensor.float32([3, 1], [Math.log(3), 0, -Math.log(3)]);
  near(confidencesOf(column, 3, rule('max-probability')), [0.75, 0.5, 0.75]);
  near(confidencesOf(column.reshape([3]), 3, rule('margin')), [0.5, 0, 0.5]);
  const p = Tensor.float32([3, 1], [0.75, 1, 0]);
  near(confidencesOf(p, 3, rule('max-probability', { scale: 'probabilities' })), [0.75, 1, 1]);
});

test('large logits do not overflow; what is no number is NaN', () => {
  near(confidencesOf(Tensor.float32([1, 2], [3e38, -3e38]), 1, rule('margin')), [1]);
  near(confidencesOf(Tensor.float32([1, 2], [Number.NEGATIVE_INFINITY, 0]), 1, rule('entropy')), [1]);
  for (const kind of ['max-probability', 'margin', 'entropy'] as const) {
    for (const row of [
      [Number.NaN, 0],
      [0, Number.NaN],
    ]) {
      assert.ok(Number.isNaN(confidencesOf(Tensor.float32([1, 2], row), 1, rule(kind))[0]), `${kind} ${row}`);
    }
  }
});

test('scores that are no rows of classes are refused', () => {
  const refused = (tensor: Tensor, samples: number) =>
    assert.throws(() => confidencesOf(tensor, samples, rule('margin')), { code: 'STAGES_INVALID' });
  refused(Tensor.float32([2, 2, 3], new Float32Array(12)), 2);
  refused(Tensor.float32([3, 2], new Float32Array(6)), 2);
  refused(Tensor.int64([2, 2], [1, 2, 3, 4]), 2);
  assert.equal(confidencesOf(Tensor.float32([2, 3, 1, 1], new Float32Array(6)), 2, rule('margin')).length, 2);
});
