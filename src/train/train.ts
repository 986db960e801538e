import type { Dataset } from '../data/index.ts';
import type { Model } from '../graph/index.ts';
import { fit } from './loop/fit.ts';
import type { FitOptions, FitResult } from './loop/options.ts';
import type { LossOptions } from './losses/loss.ts';
import { prepareForTraining } from './prepare/prepare.ts';
import { type LossRequest, labelTerms } from './terms.ts';

export interface TrainOptions extends FitOptions, LossOptions {
  /** What each output learns. Default: what fits the outputs and the data. */
  readonly losses?: readonly LossRequest[];
}

/**
 * Fits the weights of a model to labelled data. The model's architecture, names, inputs and outputs stay; batch
 * normalizations learn their statistics. Throws TRAIN_*, DATA_*, CHECKPOINT_*, USAGE_BAD_OPTION.
 */
export async function train(model: Model, data: Dataset, options: TrainOptions = {}): Promise<FitResult> {
  const { losses, axis, smoothing, temperature, ...rest } = options;
  const prepared = await prepareForTraining(model, options);
  const terms = labelTerms(prepared.forward, data, losses, { axis, smoothing, temperature });
  return fit(prepared, terms, data, undefined, rest);
}
