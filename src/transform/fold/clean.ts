import type { Step } from '../run-passes.ts';
import { step } from '../run-passes.ts';
import { upgradeOpset } from '../upgrade/upgrade-opset.ts';
import { foldBatchNorm } from './batch-norm.ts';
import { foldBatchNormBefore } from './batch-norm-before.ts';
import { commonSubexpressions } from './common-subexpressions.ts';
import { foldConstants } from './constants.ts';
import { constantsToInitializers } from './constants-to-initializers.ts';
import { removeInitializerInputs } from './initializer-inputs.ts';
import { mergeShapeOps } from './merge-shape-ops.ts';
import { foldMulAdd } from './mul-add.ts';
import { foldPad } from './pad.ts';
import { removeDeadCode } from './remove-dead.ts';
import { removeIdentity } from './remove-identity.ts';

export interface CleanOptions {
  /** Opset to reach, where the model can be said in it. Default 13, which quantized operators per channel need. */
  readonly opset?: number;
}

/** The clean-up of a trained model, in the order in which each pass finds the most to do. */
export function cleanSteps({ opset = 13 }: CleanOptions = {}): Step[] {
  return [
    // Weights that a caller may replace are no constants: nothing could be folded.
    step(removeInitializerInputs),
    // One way to hold a constant, before anybody looks for constants.
    step(constantsToInitializers),
    // Dead statistics outputs and the like would keep other passes from folding.
    step(removeDeadCode),
    // The passes after this one know the operators as they are since opset 13. It adds Unsqueeze, Shape, Reshape: folded below.
    step(upgradeOpset, { to: opset, required: false }),
    // An Identity between a layer and its normalization hides the one from the other.
    step(removeIdentity),
    // Computed shapes and reshaped weights become constants that the folds below see.
    step(foldConstants),
    // Reshapes to shapes that are known by now turn out to do nothing.
    step(mergeShapeOps),
    step(removeIdentity),
    // Shared work is one producer with several readers, which would stop a fold: after the folds that need one reader,
    // before nothing that makes new twins.
    step(foldPad),
    step(foldBatchNorm),
    step(foldMulAdd),
    // A normalization that stood behind an Add that has gone into a layer by now.
    step(foldBatchNorm),
    // What no layer before it took in.
    step(foldBatchNormBefore),
    step(commonSubexpressions),
    step(removeDeadCode),
  ];
}
