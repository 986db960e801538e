import { bothScores } from './fidelity.ts';
import type { MetricMaker } from './options.ts';
import { logSumExp } from './perplexity.ts';
import { meanOfRows, type Scores } from './values.ts';

/** Whether a row is a distribution already: nothing negative, sum 1 within a thousandth. */
function distributed({ values, classes }: Scores, at: number): boolean {
  let sum = 0;
  for (let i = at * classes; i < (at + 1) * classes; i++) {
    if (!(values[i]! >= 0)) return false;
    sum += values[i]!;
  }
  return Math.abs(sum - 1) < 1e-3;
}

/** Below it a probability is the rounding of a float. */
const TINY = 1e-12;

/** Log-probabilities of one row. A single score p stands for [1 - p, p] (a logit goes through the sigmoid). */
function logsOf(scores: Scores, at: number, probabilities: boolean): number[] {
  const { values, classes } = scores;
  const row = Array.from({ length: classes }, (_, c) => values[at * classes + c]!);
  const pair = classes === 1 ? (probabilities ? [1 - row[0]!, row[0]!] : [0, row[0]!]) : row;
  if (!probabilities) {
    const whole = logSumExp(pair, 0, pair.length);
    return pair.map((value) => Math.max(Math.log(TINY), value - whole));
  }
  const kept = pair.map((value) => Math.max(TINY, value));
  const sum = kept.reduce((total, value) => total + value, 0);
  return kept.map((value) => Math.log(value / sum));
}

/**
 * Kullback-Leibler divergence of the model from the reference, sum p log(p/q) with p of the reference, in nats, mean over
 * the decisions. Whether rows are probabilities or logits is read off the reference unless `scores` says it (a single score
 * in [0, 1] is a probability). NaN counts as the largest divergence that the floor of 1e-12 allows.
 */
export const kl: MetricMaker = (options = {}) => ({
  name: 'kl',
  summary: 'Kullback-Leibler divergence from the distribution of the reference model',
  needs: { labels: false, reference: true },
  higherIsBetter: false,
  unit: 'nat',
  width: 1,
  proportion: false,
  rows(observed, rows) {
    const { ours, theirs } = bothScores(observed, options, 'kl');
    for (let i = 0; i < ours.samples; i++) {
      let sum = 0;
      for (let at = i * ours.positions; at < (i + 1) * ours.positions; at++) {
        const probabilities = options.scores
          ? options.scores === 'probabilities'
          : theirs.classes === 1
            ? theirs.values[at]! >= 0 && theirs.values[at]! <= 1
            : distributed(theirs, at);
        const p = logsOf(theirs, at, probabilities);
        const q = logsOf(ours, at, probabilities);
        let nats = 0;
        for (const [c, own] of p.entries()) nats += Math.exp(own) * (own - q[c]!);
        sum += Number.isNaN(nats) ? -Math.log(TINY) : Math.max(0, nats);
      }
      rows.push(sum / ours.positions);
    }
  },
  aggregate: (rows, chosen) => meanOfRows(rows, chosen),
});
