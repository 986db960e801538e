import type { Model } from '../graph/index.ts';
import type { Port } from '../run/index.ts';

/** How sure an exit is of a sample, from the logits of its classes after division by the temperature. */
export type ConfidenceKind =
  /** The largest probability. */
  | 'max-probability'
  /** The largest probability less the second largest. */
  | 'margin'
  /** 1 - H / log(classes): 1 where one class has it all, 0 where all are alike. */
  | 'entropy';

/** When a sample leaves at a stage. */
export interface ExitRule {
  /** Output of the stage's model with the scores of the classes: [samples, classes]; one column is yes or no. */
  readonly scores: string;
  readonly scale: 'logits' | 'probabilities';
  /** Logits (the logarithms of probabilities) are divided by it; above 0. */
  readonly temperature: number;
  readonly confidence: ConfidenceKind;
  /** A sample leaves where its confidence is at least this; in [0, 1], or Infinity: nobody leaves. */
  readonly threshold: number;
}

/** One piece of a staged model. Its model takes what the whole model takes, what earlier stages carry, or both. */
export interface Stage {
  readonly id: string;
  readonly model: Model;
  /** Output of the whole model to output of this stage. */
  readonly answers: Readonly<Record<string, string>>;
  /** Outputs of this stage that later stages take as inputs of the same name; the samples are their first axis. */
  readonly carried: readonly string[];
  /** The last stage has none. */
  readonly exit?: ExitRule;
  /** Multiply-accumulates per sample, of this stage alone, heads included. */
  readonly macs: number;
}

/**
 * A model in pieces, each of which may answer. A sample runs through the stages until one is sure of it; the last answers
 * what is left. A cascade of separate models is one whose stages carry nothing.
 */
export interface StagedModel {
  readonly stages: readonly Stage[];
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
}
