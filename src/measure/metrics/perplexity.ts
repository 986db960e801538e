import type { MetricMaker } from './options.ts';
import { ratioOfSums } from './regression.ts';
import { classLabelsOf, IGNORED, type Scores, scoresOf } from './values.ts';

/** log of the sum of exp of `count` values from `from` on, without overflow; NaN where one is NaN. */
export function logSumExp(values: ArrayLike<number>, from: number, count: number): number {
  let top = Number.NEGATIVE_INFINITY;
  for (let i = from; i < from + count; i++) {
    if (Number.isNaN(values[i]!)) return Number.NaN;
    top = Math.max(top, values[i]!);
  }
  if (!Number.isFinite(top)) return top;
  let sum = 0;
  for (let i = from; i < from + count; i++) sum += Math.exp(values[i]! - top);
  return top + Math.log(sum);
}

function surprise({ values, classes }: Scores, at: number, label: number, probabilities: boolean): number {
  const own = values[at * classes + label]!;
  const nats = probabilities ? -Math.log(own) : logSumExp(values, at * classes, classes) - own;
  return Number.isNaN(nats) ? Number.POSITIVE_INFINITY : nats;
}

/**
 * Perplexity: exp of the mean negative log-likelihood per token. Outputs [.., vocabulary] are logits unless `scores` says
 * probabilities; labels hold the token wanted at each position, -100 where none is.
 */
export const perplexity: MetricMaker = (options = {}) => ({
  name: 'perplexity',
  summary: 'exp of the mean negative log-likelihood per token, from logits and token numbers',
  needs: { labels: true, reference: false },
  higherIsBetter: false,
  unit: '1',
  /** [nats, tokens] */
  width: 2,
  proportion: false,
  rows(observed, rows) {
    const scores = scoresOf(observed, options);
    const labels = classLabelsOf(observed, scores, 'perplexity');
    for (let i = 0; i < scores.samples; i++) {
      let [nats, tokens] = [0, 0];
      for (let at = i * scores.positions; at < (i + 1) * scores.positions; at++) {
        if (labels[at] === IGNORED) continue;
        nats += surprise(scores, at, labels[at]!, options.scores === 'probabilities');
        tokens++;
      }
      rows.push(nats, tokens);
    }
  },
  aggregate: (rows, chosen) => Math.exp(ratioOfSums(rows, chosen)),
});
