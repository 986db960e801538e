import { decisionOf } from './classification.ts';
import type { MetricMaker } from './options.ts';
import { classLabelsOf, classScoresOf } from './values.ts';

/**
 * Macro F1: the mean over classes of 2 TP / (2 TP + FP + FN), over the classes that occur among the labels or the
 * decisions of the samples at hand (as scikit-learn does). A NaN decision is a miss of its class.
 */
export const f1: MetricMaker = (options = {}) => ({
  name: 'f1',
  summary: 'macro F1: mean over the classes of the harmonic mean of precision and recall',
  needs: { labels: true, reference: false },
  higherIsBetter: true,
  unit: '%',
  /** [decision or -1, label] */
  width: 2,
  proportion: false,
  rows(observed, rows) {
    const scores = classScoresOf(observed, options, 'f1');
    const labels = classLabelsOf(observed, scores, 'f1');
    for (let i = 0; i < scores.samples; i++) {
      rows.push(decisionOf(scores, i, options.threshold ?? 0.5), labels[i]!);
    }
  },
  aggregate(rows, chosen) {
    const right: number[] = [];
    const either: number[] = [];
    const n = chosen?.length ?? rows.length / 2;
    for (let i = 0; i < n; i++) {
      const at = 2 * (chosen ? chosen[i]! : i);
      const [decision, label] = [rows[at]!, rows[at + 1]!];
      if (decision === label) right[label] = (right[label] ?? 0) + 1;
      // Each class counts its decisions and its labels: together 2 TP + FP + FN.
      if (decision >= 0) either[decision] = (either[decision] ?? 0) + 1;
      either[label] = (either[label] ?? 0) + 1;
    }
    let sum = 0;
    let classes = 0;
    for (let c = 0; c < either.length; c++) {
      const both = either[c];
      if (both === undefined) continue;
      sum += (2 * (right[c] ?? 0)) / both;
      classes++;
    }
    return (100 * sum) / classes;
  },
});
