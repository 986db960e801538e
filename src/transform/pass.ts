import type { Progress } from '../base/index.ts';
import type { Dataset } from '../data/index.ts';
import type { Model } from '../graph/index.ts';
import type { FusionReport } from './quantize/fusion-report.ts';

/** How far the outputs of a pass may lie from those of its input. The contract test holds every pass to it. */
export type DeclaredError =
  /** The same bits. */
  | { readonly kind: 'exact' }
  /** |a - b| <= atol + rtol * max|b| over each output. */
  | { readonly kind: 'bounded'; readonly atol: number; readonly rtol: number; readonly why: string }
  /** Depends on the data: must be measured (eval, optimize). */
  | { readonly kind: 'lossy'; readonly why: string };

export interface PassContext {
  readonly progress: Progress;
  readonly signal?: AbortSignal;
  readonly seed: number;
  /** Samples that a calibrating pass may look at. */
  readonly calibration?: Dataset;
  /** Samples that a training pass may learn from, with labels or without. */
  readonly training?: Dataset;
}

/** What a pass did to a node or did not, and why. */
export interface PassNote {
  readonly node: string;
  readonly op: string;
  readonly action: 'changed' | 'refused' | 'reverted';
  readonly why: string;
}

export interface PassResult {
  readonly model: Model;
  /** False: the result equals the input. */
  readonly modified: boolean;
  readonly notes: readonly PassNote[];
  /** Of a quantizing pass: what the runtime makes of its nodes. */
  readonly fusion?: FusionReport;
}

/** Model in, Model out. The input is left alone. */
export interface Pass<Options extends object = object> {
  readonly name: string;
  /** One line for --help and the docs. */
  readonly summary: string;
  readonly defaults: Options;
  error(options: Options): DeclaredError;
  apply(model: Model, options: Options, context: PassContext): Promise<PassResult>;
}
