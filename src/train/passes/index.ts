import type { Pass } from '../../transform/index.ts';
import { adaptiveRounding } from './adaptive-rounding.ts';
import { distillation } from './distillation.ts';
import { tunedPruning } from './pruning.ts';
import { quantizationAware } from './quantization-aware.ts';

/** The passes of a recipe that learn from training data, by name: a new one is a file, its test and a line here. */
export const TRAINING_PASSES = {
  distill: distillation,
  'prune-tune': tunedPruning,
  'quantize-aware': quantizationAware,
  adaround: adaptiveRounding,
} as const satisfies Record<string, Pass>;

export type TrainingPassName = keyof typeof TRAINING_PASSES;
