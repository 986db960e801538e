import { freeBatch } from './batch/free-batch.ts';
import { cleanUp } from './fold/clean-up.ts';
import { halfPrecision } from './mix/fp16.ts';
import { mixedPrecision } from './mix/mixed-precision.ts';
import type { Pass } from './pass.ts';
import { structuredPruning } from './prune/structured-pruning.ts';
import { biasAbsorption } from './quantize/absorb-bias.ts';
import { awqQuantization, awqScaling } from './quantize/awq.ts';
import { dynamicQuantization } from './quantize/dynamic.ts';
import { equalization } from './quantize/equalize.ts';
import { gptqQuantization } from './quantize/gptq.ts';
import { hqqQuantization } from './quantize/hqq.ts';
import { smoothing } from './quantize/smooth.ts';
import { staticQuantization } from './quantize/static.ts';
import { weightOnlyQuantization } from './quantize/weight-only.ts';

/** The passes that a recipe is made of, by name: a new one is a file, its test and a line here. */
export const RECIPE_PASSES = {
  clean: cleanUp,
  'free-batch': freeBatch,
  prune: structuredPruning,
  equalize: equalization,
  'absorb-bias': biasAbsorption,
  smooth: smoothing,
  'scale-awq': awqScaling,
  'quantize-static': staticQuantization,
  'quantize-dynamic': dynamicQuantization,
  'quantize-weights': weightOnlyQuantization,
  'quantize-hqq': hqqQuantization,
  'quantize-awq': awqQuantization,
  'quantize-gptq': gptqQuantization,
  fp16: halfPrecision,
  'mixed-precision': mixedPrecision,
  // Each pass reads options of its own type; a recipe gives them as JSON over the pass's defaults.
} as const satisfies Record<string, Pass>;

export type RecipePassName = keyof typeof RECIPE_PASSES;

/** A pass whose options come as data, laid over its defaults. */
export function recipePass(name: RecipePassName): Pass {
  return RECIPE_PASSES[name];
}
