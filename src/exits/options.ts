import { fail, type Progress } from '../base/index.ts';
import type { Dataset } from '../data/index.ts';
import type { SessionSettings } from '../run/index.ts';
import type { ConfidenceKind } from '../staged/index.ts';
import type { StaticOptions } from '../transform/index.ts';
import type { HeadTraining } from './train-heads.ts';

/** What is asked of early exits. */
export interface ExitsOptions {
  /** Samples to tune, certify and test on; without `trainingData` heads are trained on a part of them too. */
  readonly data: Dataset;
  readonly trainingData?: Dataset;
  /** Points (percent of the samples) by which the accuracy may fall. Default 0.5. */
  readonly maxDrop?: number;
  /** Chance with which that holds. Default 0.95. */
  readonly confidence?: number;
  /** Exits at most. Default 2. */
  readonly exits?: number;
  /**
   * What is made least: multiply-accumulates, or time measured on this machine, at `batch` samples a call; a choice by time can differ
   * from run to run. Default 'macs'.
   */
  readonly by?: 'macs' | 'time';
  /** Samples a call for which time is measured. Default 8. */
  readonly batch?: number;
  /** Values to exit at, in place of a choice. */
  readonly places?: readonly string[];
  /** The output whose scores decide. Default: see `answersOf`. */
  readonly output?: string;
  /** How sure an exit is. Default 'max-probability'. */
  readonly measure?: ConfidenceKind;
  /** 'lost' promises that no more than `maxDrop` of the samples lose their right answer. Default 'net': the accuracy. */
  readonly counts?: 'net' | 'lost';
  /**
   * What the accuracy may fall from: 'given', that of the model as it was given, or 'end', that of the model in the form that ships (8 bits,
   * trained jointly), nobody leaving. Default 'given'.
   */
  readonly against?: 'given' | 'end';
  /** Units of an inner layer of each head; 0: none. Default: as many as a 25th of the whole model's work allows, 64 at most. */
  readonly hidden?: number;
  /** Trains backbone and heads together, after the heads. */
  readonly joint?: boolean;
  /** 8-bit integers, before anything is certified; with options of static quantization (layers to leave in float, say) or its defaults. */
  readonly int8?: boolean | Partial<StaticOptions>;
  readonly training?: HeadTraining;
  /** Of `joint`. */
  readonly jointTraining?: HeadTraining;
  /** Of the division of the data and of the training. Default 0. */
  readonly seed?: number;
  readonly settings?: Partial<Pick<SessionSettings, 'threads' | 'provider'>>;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

/** Throws USAGE_BAD_OPTION for numbers that make no sense. */
export function checkOptions(
  maxDrop: number,
  confidence: number,
  { hidden, exits: count }: ExitsOptions,
): void {
  if (!(maxDrop > 0 && maxDrop < 100))
    throw fail('USAGE_BAD_OPTION', `maxDrop is a number of points above 0 and below 100, not ${maxDrop}`);
  if (!(confidence > 0 && confidence < 1))
    throw fail('USAGE_BAD_OPTION', `confidence lies between 0 and 1, not at ${confidence}`);
  if (hidden !== undefined && !(Number.isInteger(hidden) && hidden >= 0))
    throw fail('USAGE_BAD_OPTION', `hidden is a number of units, not ${hidden}`);
  if (count !== undefined && !(Number.isInteger(count) && count >= 1))
    throw fail('USAGE_BAD_OPTION', `exits is a number of exits from 1, not ${count}`);
}
