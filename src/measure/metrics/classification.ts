import { fail } from '../../base/index.ts';
import type { Metric } from './metric.ts';
import type { MetricMaker, MetricOptions } from './options.ts';
import { bestOf, classLabelsOf, classScoresOf, meanOfRows, type Scores } from './values.ts';

/** Share of samples whose class is among the k best scored. Equal scores count against the model; so does NaN. */
function topK(k: number, options: MetricOptions): Metric {
  const name = `top${k}`;
  return {
    name,
    summary: `share of samples whose class is ${k === 1 ? 'scored best' : `among the ${k} best`}`,
    needs: { labels: true, reference: false },
    higherIsBetter: true,
    unit: '%',
    width: 1,
    proportion: true,
    rows(observed, rows) {
      const scores = manyClasses(classScoresOf(observed, options, name), name, k);
      const labels = classLabelsOf(observed, scores, name);
      for (let i = 0; i < scores.samples; i++) rows.push(rankOf(scores, i, labels[i]!) < k ? 1 : 0);
    },
    aggregate: (rows, chosen) => 100 * meanOfRows(rows, chosen),
  };
}

function manyClasses(scores: Scores, metric: string, k: number): Scores {
  if (scores.classes > Math.max(1, k)) return scores;
  throw fail(
    'METRIC_UNFIT',
    `${metric} wants more than ${Math.max(1, k)} classes, output ${scores.name} has ${scores.classes}`,
    {
      hint: scores.classes === 1 ? "Use 'accuracy' for a single score." : "Use 'top1'.",
    },
  );
}

/** How many classes stand before the label: scored higher, or equal and earlier. Infinity where a score is NaN. */
function rankOf({ values, classes }: Scores, sample: number, label: number): number {
  const from = sample * classes;
  const own = values[from + label]!;
  let before = 0;
  for (let c = 0; c < classes; c++) {
    const value = values[from + c]!;
    if (Number.isNaN(value)) return Number.POSITIVE_INFINITY;
    if (value > own || (value === own && c < label)) before++;
  }
  return before;
}

export const top1: MetricMaker = (options = {}) => topK(1, options);
export const top5: MetricMaker = (options = {}) => topK(5, options);

/** The class a model decides for: by threshold for one score, else the best scored; -1 for NaN. */
export function decisionOf(scores: Scores, at: number, threshold: number): number {
  if (scores.classes !== 1) return bestOf(scores.values, at * scores.classes, scores.classes);
  const score = scores.values[at]!;
  return Number.isNaN(score) ? -1 : score >= threshold ? 1 : 0;
}

/** Share of right decisions, of models with a single score too. */
export const accuracy: MetricMaker = (options = {}) => ({
  name: 'accuracy',
  summary: 'share of right decisions: a single score against a threshold, or the best scored class',
  needs: { labels: true, reference: false },
  higherIsBetter: true,
  unit: '%',
  width: 1,
  proportion: true,
  rows(observed, rows) {
    const scores = classScoresOf(observed, options, 'accuracy');
    const labels = classLabelsOf(observed, scores, 'accuracy');
    for (let i = 0; i < scores.samples; i++) {
      rows.push(decisionOf(scores, i, options.threshold ?? 0.5) === labels[i] ? 1 : 0);
    }
  },
  aggregate: (rows, chosen) => 100 * meanOfRows(rows, chosen),
});
