import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CONFIDENCE_KINDS, judge } from './confidence.ts';

const near = (actual: number, expected: number, tolerance = 1e-12) =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected}`);
const plain = { scale: 'logits', temperature: 1 } as const;
const of = (scores: number[], classes: number, rule: Partial<Parameters<typeof judge>[2]>) =>
  judge(scores, classes, { ...plain, confidence: 'max-probability', ...rule }).confidence[0]!;

test('confidence of logits worked out by hand', () => {
  const scores = [Math.log(6), Math.log(3), Math.log(1)];
  near(of(scores, 3, {}), 0.6);
  near(of(scores, 3, { confidence: 'margin' }), 0.3);
  const entropy = -(0.6 * Math.log(0.6) + 0.3 * Math.log(0.3) + 0.1 * Math.log(0.1));
  near(of(scores, 3, { confidence: 'entropy' }), 1 - entropy / Math.log(3));
  // At temperature 2 the weights are square roots.
  const roots = Math.sqrt(6) + Math.sqrt(3) + 1;
  near(of(scores, 3, { temperature: 2 }), Math.sqrt(6) / roots);
  // Probabilities are read by their logarithms, and need not add up to exactly 1.
  near(of([0.6, 0.3, 0.1], 3, { scale: 'probabilities' }), 0.6);
  near(of([0.6, 0.3, 0.1], 3, { scale: 'probabilities', temperature: 2 }), Math.sqrt(6) / roots);
});

test('one column is yes or no', () => {
  const { best, confidence } = judge([2, -1], 1, { ...plain, confidence: 'max-probability' });
  assert.deepEqual([...best], [1, 0]);
  near(confidence[0]!, 1 / (1 + Math.exp(-2)));
  near(confidence[1]!, 1 / (1 + Math.exp(-1)));
  near(of([0.9], 1, { scale: 'probabilities', confidence: 'margin' }), 0.8);
});

test('what is not a number never leaves, and scores of any size do not overflow', () => {
  for (const confidence of CONFIDENCE_KINDS) {
    const { best, confidence: sure } = judge([1, Number.NaN, 3000, -3000, 0, 0], 2, { ...plain, confidence });
    assert.deepEqual([...best], [-1, 0, 0]);
    assert.ok(!(sure[0]! >= 0));
    assert.equal(sure[1], 1);
    assert.equal(sure[2], confidence === 'max-probability' ? 0.5 : 0);
    near(of([Number.POSITIVE_INFINITY, 5], 2, { confidence }), 1);
  }
  assert.throws(() => of([1, 2], 2, { temperature: 0 }), { code: 'USAGE_BAD_OPTION' });
  assert.throws(() => of([1, 2, 3], 2, {}), { code: 'USAGE_BAD_OPTION' });
});
