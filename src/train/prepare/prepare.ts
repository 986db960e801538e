import { SILENT } from '../../base/index.ts';
import { assertValid, type Model } from '../../graph/index.ts';
import {
  constantsToInitializers,
  foldConstants,
  freeBatch,
  mergeShapeOps,
  type PassContext,
  removeDeadCode,
  removeInitializerInputs,
  runPasses,
  step,
  upgradeOpset,
} from '../../transform/index.ts';
import { TRAINING_OPSET } from '../composer.ts';

/** A model on its way into training. */
export interface Prepared {
  /** What is trained and saved: constants as initializers, shapes folded, the batch free where it can be; at its own opset. */
  readonly model: Model;
  /** The same at the opset of training, with the same names of weights. */
  readonly forward: Model;
  /** Names of the weights that are trained, where the preparation settles it. Default: those of `trainableWeights`. */
  readonly weights?: readonly string[];
}

/**
 * Brings a model into the form that is trained. Normalizations stay, and so does what does nothing yet: a bias of zeros or a
 * scale of ones is a weight like any other. Throws MODEL_INVALID,
 * PASS_FAILED (OPSET_NOT_CONVERTED).
 */
export async function prepareForTraining(
  model: Model,
  context: Partial<PassContext> = {},
): Promise<Prepared> {
  const full: PassContext = { ...context, progress: context.progress ?? SILENT, seed: context.seed ?? 0 };
  assertValid(model);
  const { model: clean } = await runPasses(
    model,
    [
      step(removeInitializerInputs),
      step(constantsToInitializers),
      step(removeDeadCode),
      step(foldConstants),
      step(mergeShapeOps),
      step(freeBatch),
      step(removeDeadCode),
    ],
    full,
  );
  const { model: forward } = await runPasses(clean, [step(upgradeOpset, { to: TRAINING_OPSET })], full);
  return { model: clean, forward };
}
