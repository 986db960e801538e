import { DATA_ERRORS } from './data.ts';
import { EDGE_ERRORS } from './edge.ts';
import { EXITS_ERRORS } from './exits.ts';
import { GRAPH_ERRORS } from './graph.ts';
import { MEASURE_ERRORS } from './measure.ts';
import { OPTIMIZE_ERRORS } from './optimize.ts';
import type { ErrorRow } from './row.ts';
import { RUN_ERRORS } from './run.ts';
import { SERVE_ERRORS } from './serve.ts';
import { STAGED_ERRORS } from './staged.ts';
import { TOKENS_ERRORS } from './tokens.ts';
import { TRAIN_ERRORS } from './train.ts';
import { TRANSFORM_ERRORS } from './transform.ts';
import { USAGE_ERRORS } from './usage.ts';

/** Every error Modicum can end with, by its stable code; docs/errors.md is generated from it. */
export const CATALOGUE = {
  ...USAGE_ERRORS,
  ...GRAPH_ERRORS,
  ...RUN_ERRORS,
  ...STAGED_ERRORS,
  ...DATA_ERRORS,
  ...MEASURE_ERRORS,
  ...TRANSFORM_ERRORS,
  ...TRAIN_ERRORS,
  ...EXITS_ERRORS,
  ...OPTIMIZE_ERRORS,
  ...TOKENS_ERRORS,
  ...SERVE_ERRORS,
  ...EDGE_ERRORS,
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof CATALOGUE;
