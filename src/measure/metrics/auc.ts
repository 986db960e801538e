import { fail } from '../../base/index.ts';
import type { MetricMaker } from './options.ts';
import { classLabelsOf, classScoresOf } from './values.ts';

/**
 * Area under the ROC curve: the chance that a positive scores above a negative, ties half (Mann and Whitney). One
 * score or two classes: of the positive class. More: one against the rest, mean over the classes that have both
 * positives and negatives among the samples at hand. A NaN score ranks at the wrong end.
 */
export const auc: MetricMaker = (options = {}) => {
  let columns = 0;
  const orders = new WeakMap<Float64Array, Uint32Array[]>();
  return {
    name: 'auc',
    summary: 'area under the ROC curve, one class against the rest and macro where there are more than two',
    needs: { labels: true, reference: false },
    higherIsBetter: true,
    unit: '%',
    /** [score per column..., label]; known after the first batch. */
    get width() {
      return columns + 1;
    },
    proportion: false,
    rows(observed, rows) {
      const scores = classScoresOf(observed, options, 'auc');
      const labels = classLabelsOf(observed, scores, 'auc');
      const { classes, values } = scores;
      const wanted = classes <= 2 ? 1 : classes;
      if (columns !== 0 && columns !== wanted) {
        throw fail('METRIC_UNFIT', `the number of classes changed from ${columns} to ${wanted}`);
      }
      columns = wanted;
      for (let i = 0; i < scores.samples; i++) {
        const label = labels[i]!;
        for (let c = 0; c < columns; c++) {
          const positive = columns === 1 ? 1 : c;
          const score = values[i * classes + (classes === 2 ? 1 : c)]!;
          const worst = label === positive ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
          rows.push(Number.isNaN(score) ? worst : score);
        }
        rows.push(label);
      }
    },
    aggregate(rows, chosen) {
      const width = columns + 1;
      const n = rows.length / width;
      // Resampling repeats this over the same rows: sort once, then count repeats in that order.
      let sorted = orders.get(rows);
      if (sorted === undefined) {
        sorted = Array.from({ length: columns }, (_, c) =>
          Uint32Array.from({ length: n }, (_, i) => i).sort((a, b) => {
            const [x, y] = [rows[a * width + c]!, rows[b * width + c]!];
            return x < y ? -1 : x > y ? 1 : 0;
          }),
        );
        orders.set(rows, sorted);
      }
      const times = new Uint32Array(n);
      if (chosen) for (const i of chosen) times[i]!++;
      else times.fill(1);
      let sum = 0;
      let counted = 0;
      for (const [c, order] of sorted.entries()) {
        const area = areaOf(rows, width, c, columns === 1 ? 1 : c, order, times);
        if (Number.isNaN(area)) continue;
        sum += area;
        counted++;
      }
      return (100 * sum) / counted;
    },
  };
};

function areaOf(
  rows: Float64Array,
  width: number,
  column: number,
  positive: number,
  order: Uint32Array,
  times: Uint32Array,
): number {
  let won = 0;
  let negatives = 0;
  let positives = 0;
  for (let i = 0; i < order.length; ) {
    const score = rows[order[i]! * width + column]!;
    let [tiedPositives, tiedNegatives] = [0, 0];
    for (; i < order.length && rows[order[i]! * width + column] === score; i++) {
      const sample = order[i]!;
      if (rows[sample * width + width - 1] === positive) tiedPositives += times[sample]!;
      else tiedNegatives += times[sample]!;
    }
    won += tiedPositives * (negatives + tiedNegatives / 2);
    positives += tiedPositives;
    negatives += tiedNegatives;
  }
  return won / (positives * negatives);
}
