import type { Progress } from '../../base/index.ts';
import type { Dataset } from '../../data/index.ts';
import type { Model } from '../../graph/index.ts';
import type { Metric } from '../../measure/index.ts';
import type { SessionSettings } from '../../run/index.ts';
import type { OptimizerOptions } from '../optimizers/optimizer.ts';
import type { TrainableOptions } from '../parameters/trainable.ts';

/** How weights are fitted. What is left out has the default named beside it. */
export interface FitOptions extends TrainableOptions {
  /** Times that every sample is seen. Default 10, unless `steps` or `seconds` says how long. */
  readonly epochs?: number;
  readonly steps?: number;
  /** Time for the steps: their number follows from the time that the first ones take, so no two runs are alike. */
  readonly seconds?: number;
  /** Samples a step. Default 64, less where there are fewer; a model of a fixed batch sets its own. */
  readonly batch?: number;
  /** Default adam. */
  readonly optimizer?: string;
  readonly optimizerOptions?: OptimizerOptions;
  /** Learning rate. Default: what suits the optimizer. */
  readonly rate?: number;
  /** Default cosine. */
  readonly schedule?: string;
  /** Steps in which the rate rises. Default: a twentieth of the run, at most 500. */
  readonly warmUp?: number;
  /** Weight decay. Default 0. */
  readonly decay?: number;
  /** Most of the gradient's norm. Default: not clipped. */
  readonly clip?: number;
  /** Decay of a moving average of the weights, which is then the result; such as 0.999. Default: the weights themselves. */
  readonly average?: number;
  /** Alpha of mixup. Default 0: samples are not mixed. */
  readonly mixup?: number;
  /** Whether BatchNormalization learns from the batches or is frozen. Default 'batch'. */
  readonly normalization?: 'batch' | 'frozen';
  /** Samples that choose the best epoch and end a run that gains nothing more. */
  readonly validation?: Validation;
  /** File that a killed run goes on from. */
  readonly checkpoint?: string;
  /** Seconds between checkpoints. Default 30. */
  readonly checkpointEvery?: number;
  /** Default 0. */
  readonly seed?: number;
  readonly settings?: Partial<Pick<SessionSettings, 'threads' | 'provider'>>;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

export interface Validation {
  readonly data: Dataset;
  readonly metric: Metric;
  /** Epochs without a gain after which the run ends. Default: it does not end early. */
  readonly patience?: number;
}

export interface FitResult {
  /** The prepared model with its new weights. */
  readonly model: Model;
  /** Mean loss of each epoch. */
  readonly losses: readonly number[];
  /** The metric after each epoch, where validated. */
  readonly validation: readonly number[];
  /** The epoch (from 1) whose weights these are, where validated. */
  readonly bestEpoch?: number;
  readonly steps: number;
  readonly batch: number;
  readonly seconds: number;
  /** Names of the weights that were trained, and how many numbers they hold. */
  readonly weights: readonly string[];
  readonly parameters: number;
  /** True where the run went on from a checkpoint. */
  readonly resumed: boolean;
}
