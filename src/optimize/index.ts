export { BUNDLE_VERSION, type Bundle, bundleSchema, readBundle, writeBundle } from './bundle.ts';
export { type Goal, makeGoal, OBJECTIVES, type Objective, parseBytes, parseMilliseconds } from './goal.ts';
export { type OptimizeOptions, type OptimizeResult, optimize } from './optimize.ts';
export type { Recipe, Step } from './recipe.ts';
export type { RunSettings } from './settings.ts';
