import type { Composer } from '../composer.ts';

/** What an optimizer is told; what it does not know it does not read. */
export interface OptimizerOptions {
  /** Of the mean of gradients: SGD's momentum, Adam's beta1. */
  readonly momentum?: number;
  /** Adam's beta2. */
  readonly beta2?: number;
  readonly epsilon?: number;
  readonly nesterov?: boolean;
}

/** Where an update is written. All vectors are flat: every weight of the model, side by side. */
export interface UpdateSite {
  readonly to: Composer;
  readonly parameters: string;
  readonly gradient: string;
  /** By the names in `slots`. */
  readonly slots: Readonly<Record<string, string>>;
  /** float32 scalar inputs by the names in `scalars`. */
  readonly scalars: Readonly<Record<string, string>>;
  readonly options: OptimizerOptions;
}

/** A rule that makes better weights of weights and their gradient. */
export interface Optimizer {
  readonly name: string;
  /** One line for --help and the docs. */
  readonly summary: string;
  /** The learning rate that suits it where none is given. */
  readonly rate: number;
  /** Whether weight decay shrinks the weights themselves (Loshchilov and Hutter 2019) rather than entering the gradient. */
  readonly decoupledDecay: boolean;
  /** Vectors it keeps from step to step, zero at first. */
  readonly slots: readonly string[];
  /** Scalars of step number `step` (from 1) at the learning rate `rate`. */
  scalars(step: number, rate: number, options: OptimizerOptions): Readonly<Record<string, number>>;
  /** Adds the update: the new weights, and the new slots. */
  update(site: UpdateSite): { readonly parameters: string; readonly slots: Readonly<Record<string, string>> };
}
