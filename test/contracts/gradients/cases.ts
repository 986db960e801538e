import { ARITHMETIC_CASES } from './arithmetic-cases.ts';
import { ATTENTION_CASES, NORM_CASES } from './attention-cases.ts';
import { BLOCK_CASES } from './block-cases.ts';
import type { GradientCase } from './case.ts';
import { CONV_CASES } from './conv-cases.ts';
import { MACRO_CASES } from './macro-cases.ts';
import { MATMUL_CASES } from './matmul-cases.ts';
import { GATHER_CASES, MOVE_CASES } from './move-cases.ts';
import { NORMALIZE_CASES } from './normalize-cases.ts';
import { POOL_CASES } from './pool-cases.ts';
import { RECURRENT_CASES } from './recurrent-cases.ts';
import { REDUCE_CASES } from './reduce-cases.ts';
import { RESAMPLE_CASES } from './resample-cases.ts';
import { STOP_CASES } from './stop-cases.ts';
import { UNARY_CASES } from './unary-cases.ts';

/** All cases of the contract that gradients meet finite differences. */
export const GRADIENT_CASES: readonly GradientCase[] = [
  ...ARITHMETIC_CASES,
  ...UNARY_CASES,
  ...STOP_CASES,
  ...MATMUL_CASES,
  ...REDUCE_CASES,
  ...MOVE_CASES,
  ...GATHER_CASES,
  ...RECURRENT_CASES,
  ...ATTENTION_CASES,
  ...NORM_CASES,
  ...BLOCK_CASES,
  ...CONV_CASES,
  ...POOL_CASES,
  ...NORMALIZE_CASES,
  ...RESAMPLE_CASES,
  ...MACRO_CASES,
];
