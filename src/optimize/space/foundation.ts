import type { Recipe } from '../recipe.ts';

/** What every variant starts with: the graph cleaned, the batch freed where that is sound. */
export const FOUNDATION: Recipe = [
  { pass: 'clean', words: 'clean graph' },
  { pass: 'free-batch', words: 'free batch' },
];
