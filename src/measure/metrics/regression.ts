import { fail } from '../../base/index.ts';
import type { Metric } from './metric.ts';
import type { MetricMaker, MetricOptions } from './options.ts';
import { elementsOf, labelsTensor, outputOf } from './values.ts';

/** A mean over all elements of some measure of output - label; per sample its sum and the number of elements. NaN counts as infinite. */
function meanError(
  name: string,
  summary: string,
  each: (difference: number) => number,
  finish: (mean: number) => number,
  options: MetricOptions,
): Metric {
  return {
    name,
    summary,
    needs: { labels: true, reference: false },
    higherIsBetter: false,
    unit: '1',
    width: 2,
    proportion: false,
    rows(observed, rows) {
      const { name: output, tensor } = outputOf(observed, options);
      const labels = labelsTensor(observed, name);
      if (labels.size !== tensor.size) {
        throw fail('METRIC_UNFIT', `labels are [${labels.dims}] where output ${output} is [${tensor.dims}]`, {
          hint: 'Labels must hold one wanted value per output value.',
        });
      }
      const [values, wanted] = [elementsOf(tensor, output), elementsOf(labels, 'labels')];
      const width = tensor.size / observed.samples;
      for (let i = 0; i < observed.samples; i++) {
        let sum = 0;
        for (let at = i * width; at < (i + 1) * width; at++) sum += each(values[at]! - wanted[at]!);
        rows.push(Number.isNaN(sum) ? Number.POSITIVE_INFINITY : sum, width);
      }
    },
    aggregate: (rows, chosen) => finish(ratioOfSums(rows, chosen)),
  };
}

/** Sum of the first numbers of the chosen rows over the sum of the second. */
export function ratioOfSums(rows: Float64Array, chosen?: Uint32Array): number {
  let [above, below] = [0, 0];
  const n = chosen?.length ?? rows.length / 2;
  for (let i = 0; i < n; i++) {
    const at = 2 * (chosen ? chosen[i]! : i);
    above += rows[at]!;
    below += rows[at + 1]!;
  }
  return above / below;
}

const same = (mean: number) => mean;

/** Mean squared error. */
export const mse: MetricMaker = (options = {}) =>
  meanError('mse', 'mean squared error', (d) => d * d, same, options);
/** Root of the mean squared error: in the unit of the labels. */
export const rmse: MetricMaker = (options = {}) =>
  meanError('rmse', 'root of the mean squared error', (d) => d * d, Math.sqrt, options);
/** Mean absolute error. */
export const mae: MetricMaker = (options = {}) =>
  meanError('mae', 'mean absolute error', Math.abs, same, options);
