export { type Goal, makeGoal, OBJECTIVES, type Objective, parseBytes, parseMilliseconds } from './goal.ts';
export { type OptimizeOptions, type OptimizeResult, optimize } from './optimize.ts';
export { type GivenRates, type Rates, ratesOf } from './rates.ts';
export type { Recipe, Step } from './recipe.ts';
export type { Guess } from './searcher/beliefs.ts';
export type { Held, Observation, Proposal } from './searcher/observation.ts';
export { Searcher, type SearcherOptions } from './searcher/searcher.ts';
export type { Condition, Dimension, Point, Space, Value } from './space/dimension.ts';
export { assertSpace, complete, keyOf, neighbours, pointsOf, samplePoint, sizeOf } from './space/space.ts';
