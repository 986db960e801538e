import type { DType } from '../../graph/index.ts';
import type { Composer } from '../composer.ts';

/** What a loss is told besides the values. */
export interface LossOptions {
  /** Axis of the classes; negative from the end. Default -1. */
  readonly axis?: number;
  /** Share of a label's weight that is spread over all classes (Szegedy et al. 2016, section 7). Default 0. */
  readonly smoothing?: number;
  /** Softens both sides of a distillation (Hinton et al. 2015). Default 1. */
  readonly temperature?: number;
  /**
   * Factor on scores before a softmax or sigmoid. Models whose scores are in the hundreds answer by the largest alone: a softmax of
   * them is 0 and 1, and teaches nothing about the rest. Default 1.
   */
  readonly scale?: number;
  /** The same for a teacher's scores, which may be of another size. Default 1. */
  readonly targetScale?: number;
}

/** Two samples' targets to be mixed (Zhang et al. 2018): weight `share` for one's own, the rest for the partner's. */
export interface Mixing {
  /** int64 [N]: the partner of each sample. */
  readonly partner: string;
  /** float32 scalar. */
  readonly share: string;
}

/** Where a loss is written. */
export interface LossSite {
  readonly to: Composer;
  /** What the model answers: scores before a last softmax or sigmoid where the loss reads those (`reads`), else the output. */
  readonly prediction: string;
  /** The target as it is fed: of the dtype and shape that `target` asked for. */
  readonly target: string;
  readonly options: LossOptions;
  readonly mixing?: Mixing;
}

/** Where a target comes from. */
export type TargetKind = 'labels' | 'values';

/** A number that training makes small. */
export interface Loss {
  readonly name: string;
  /** One line for --help and the docs. */
  readonly summary: string;
  /** What of an output it reads: its scores (logits), or the output as it is. */
  readonly reads: 'scores' | 'output';
  /** 'labels': class numbers, or 0 and 1, or values of a dataset; 'teacher': what a teacher answers for the same output. */
  readonly learnsFrom: 'labels' | 'teacher' | 'both';
  /** Dtype and shape of the target for a prediction of this shape. */
  target(
    dims: readonly number[],
    options: LossOptions,
  ): { readonly dtype: DType; readonly dims: readonly number[] };
  /** Adds the loss: a scalar, the mean over the samples. */
  build(site: LossSite): string;
}

export function classAxis(options: LossOptions, rank: number): number {
  const axis = options.axis ?? -1;
  return axis < 0 ? axis + rank : axis;
}

/** Scores times a factor; themselves where it is 1. */
export function scaled(to: Composer, scores: string, factor = 1): string {
  return factor === 1 ? scores : to.op('Mul', [scores, to.float(factor)]);
}

/** A target of numbers, mixed with the partner's where samples are mixed. */
export function mixed({ to, target, mixing }: LossSite, value = target): string {
  if (mixing === undefined) return value;
  const partner = to.op('Gather', [value, mixing.partner], { axis: 0 });
  const own = to.op('Mul', [to.op('Sub', [value, partner]), mixing.share]);
  return to.op('Add', [own, partner]);
}
