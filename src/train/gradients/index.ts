import type { OpName } from '../../graph/index.ts';
import { ACTIVATIONS } from './activations.ts';
import { ARITHMETIC } from './arithmetic.ts';
import { BLOCKS } from './blocks.ts';
import { CONV } from './conv.ts';
import { EINSUM } from './einsum.ts';
import { GATHER } from './gather.ts';
import { JOIN } from './join.ts';
import { MATMUL } from './matmul.ts';
import { NORMALIZE } from './normalize.ts';
import { ORDER } from './order.ts';
import { POOL } from './pool.ts';
import { REDUCE } from './reduce.ts';
import { RESAMPLE } from './resample.ts';
import { RESHAPE } from './reshape.ts';
import type { GradientRule } from './rule.ts';
import { SCATTER } from './scatter.ts';
import { SELECT } from './select.ts';
import { SLICE } from './slice.ts';
import { SOFTMAX } from './softmax.ts';
import { STOPPED } from './stops.ts';
import { UNARY } from './unary.ts';

/**
 * The gradient of each operator, by family; those of other domains than ai.onnx as "domain:op". An operator without a row
 * ends in TRAIN_NO_GRADIENT.
 */
export const GRADIENTS = {
  ...ARITHMETIC,
  ...UNARY,
  ...ACTIVATIONS,
  ...STOPPED,
  ...MATMUL,
  ...EINSUM,
  ...CONV,
  ...POOL,
  ...NORMALIZE,
  ...SOFTMAX,
  ...REDUCE,
  ...ORDER,
  ...RESHAPE,
  ...JOIN,
  ...SLICE,
  ...RESAMPLE,
  ...BLOCKS,
  ...GATHER,
  ...SCATTER,
  ...SELECT,
} as const satisfies Partial<Record<OpName, GradientRule>>;
