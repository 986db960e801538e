import { TRAINING_PASSES } from '../train/index.ts';
import { type Pass, RECIPE_PASSES } from '../transform/index.ts';

/** Every pass that a recipe may name. */
export const PASSES = { ...RECIPE_PASSES, ...TRAINING_PASSES } as const satisfies Record<string, Pass>;

export type PassName = keyof typeof PASSES;

/** A pass whose options come as data, laid over its defaults. */
export function passByName(name: PassName): Pass {
  return PASSES[name];
}
