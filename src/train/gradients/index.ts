import type { OpName } from '../../graph/index.ts';
import { ARITHMETIC } from './arithmetic.ts';
import { REDUCE } from './reduce.ts';
import type { GradientRule } from './rule.ts';

/**
 * The gradient of each operator, by family; those of other domains than ai.onnx as "domain:op". An operator without a row
 * ends in TRAIN_NO_GRADIENT.
 */
export const GRADIENTS = {
  ...ARITHMETIC,
  ...REDUCE,
} as const satisfies Partial<Record<OpName, GradientRule>>;
