import type { Loss, LossOptions } from '../losses/loss.ts';

/** Where a target comes from: the labels of the data, one of its arrays, or what a teacher answers. */
export type TargetSource =
  | { readonly from: 'labels' }
  | { readonly from: 'field'; readonly field: string }
  | { readonly from: 'teacher'; readonly output: string };

/** One summand of what training makes small. */
export interface Term {
  readonly loss: Loss;
  /** The value of the forward graph that is judged: scores, an output, or (feature matching) an inner value. */
  readonly prediction: string;
  readonly source: TargetSource;
  readonly options: LossOptions;
  readonly weight: number;
  /**
   * Feature matching between values of different widths: the prediction goes through a learned linear map along this axis to
   * the teacher's width first (FitNets, Romero et al. 2015). Not part of the trained model.
   */
  readonly project?: { readonly axis: number; readonly width: number };
}
