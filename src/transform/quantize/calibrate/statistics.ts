import { fail, type Progress, SILENT } from '../../../base/index.ts';
import type { Dataset } from '../../../data/index.ts';
import type { Model } from '../../../graph/index.ts';
import { Histogram } from './histogram.ts';
import { type ObserveOptions, observe } from './observe.ts';
import { CALIBRATORS, type CalibrationMethod, type CalibratorOptions, type ValueRange } from './ranges.ts';

export interface StatisticsOptions extends ObserveOptions {
  /** Names of the values: inputs, inner values or outputs, float32. */
  readonly values: readonly string[];
  /** Weight of a new batch in the moving averages of minmax. Default 0.01. */
  readonly movingRate?: number;
  readonly progress?: Progress;
}

/** What one pass over the data counted: enough for every method, so that a search over methods reads the data once. */
export interface Statistics {
  readonly histograms: ReadonlyMap<string, Histogram>;
  readonly samples: number;
}

/**
 * Counts the values that a model computes on a dataset. Memory does not grow with the number of samples (about
 * 32 KB a value, and what `memory` allows). Throws DATA_EMPTY, and what opening, binding and running throw.
 */
export async function collectStatistics(
  model: Model,
  dataset: Dataset,
  options: StatisticsOptions,
): Promise<Statistics> {
  const { values, movingRate, progress = SILENT } = options;
  const histograms = new Map(values.map((value) => [value, new Histogram(movingRate)]));
  const total = options.indices?.length ?? dataset.size;
  if (total === 0) throw fail('DATA_EMPTY', `${dataset.name} has no samples to calibrate with`);
  const stage = progress.stage('calibrating', total);
  const first = values.find((value) => !model.graph.inputs.some(({ name }) => name === value)) ?? values[0];
  try {
    const { samples } = await observe(
      model,
      dataset,
      values,
      (value, tensor, count) => {
        histograms.get(value)!.add(tensor.as('float32'));
        if (value === first) stage.advance(count);
      },
      options,
    );
    return { histograms, samples };
  } finally {
    stage.end();
  }
}

/** The ranges that a method chooses. A value that was never finite has none. */
export function rangesFrom(
  statistics: Statistics,
  method: CalibrationMethod,
  options: CalibratorOptions = {},
): Map<string, ValueRange> {
  const ranges = new Map<string, ValueRange>();
  for (const [value, histogram] of statistics.histograms) {
    if (histogram.total > 0) ranges.set(value, CALIBRATORS[method](histogram, options));
  }
  return ranges;
}

export interface CalibrateOptions extends StatisticsOptions, CalibratorOptions {
  readonly method: CalibrationMethod;
}

/** Statistics and ranges in one step. */
export async function calibrate(
  model: Model,
  dataset: Dataset,
  options: CalibrateOptions,
): Promise<Map<string, ValueRange>> {
  return rangesFrom(await collectStatistics(model, dataset, options), options.method, options);
}
