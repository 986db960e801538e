import { freeBatch } from './batch/free-batch.ts';
import { foldBatchNorm } from './fold/batch-norm.ts';
import { foldBatchNormBefore } from './fold/batch-norm-before.ts';
import { commonSubexpressions } from './fold/common-subexpressions.ts';
import { foldConstants } from './fold/constants.ts';
import { constantsToInitializers } from './fold/constants-to-initializers.ts';
import { removeInitializerInputs } from './fold/initializer-inputs.ts';
import { mergeShapeOps } from './fold/merge-shape-ops.ts';
import { foldMulAdd } from './fold/mul-add.ts';
import { foldPad } from './fold/pad.ts';
import { removeDeadCode } from './fold/remove-dead.ts';
import { removeIdentity } from './fold/remove-identity.ts';
import { step } from './run-passes.ts';
import { upgradeOpset } from './upgrade/upgrade-opset.ts';

/**
 * The passes that keep a model's answers, by name; each makes a step of it with its defaults. The contract test holds every
 * one of them to its declared error.
 */
export const EXACT_PASSES = {
  'remove-initializer-inputs': () => step(removeInitializerInputs),
  'constants-to-initializers': () => step(constantsToInitializers),
  'remove-dead': () => step(removeDeadCode),
  'upgrade-opset': () => step(upgradeOpset),
  'remove-identity': () => step(removeIdentity),
  'fold-constants': () => step(foldConstants),
  'merge-shape-ops': () => step(mergeShapeOps),
  'fold-pad': () => step(foldPad),
  'fold-batch-norm': () => step(foldBatchNorm),
  'fold-batch-norm-before': () => step(foldBatchNormBefore),
  'fold-mul-add': () => step(foldMulAdd),
  'common-subexpressions': () => step(commonSubexpressions),
  'free-batch': () => step(freeBatch),
} as const satisfies Record<string, () => ReturnType<typeof step>>;

export type ExactPassName = keyof typeof EXACT_PASSES;
