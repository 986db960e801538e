import { ARITHMETIC } from './arithmetic.ts';
import { CONV } from './conv.ts';
import { GATHER } from './gather.ts';
import { MATMUL } from './matmul.ts';
import { MOVE } from './move.ts';
import { POOL } from './pool.ts';
import { QUANTIZE } from './quantize.ts';
import { REDUCE } from './reduce.ts';
import type { Row } from './row.ts';

/** Every operator that the compiler knows, of ai.onnx. */
export const ROWS: Readonly<Record<string, Row>> = {
  ...ARITHMETIC,
  ...CONV,
  ...POOL,
  ...MATMUL,
  ...REDUCE,
  ...MOVE,
  ...GATHER,
  ...QUANTIZE,
};

/** Their names. */
export const COMPILED_OPS: readonly string[] = Object.keys(ROWS).sort();
