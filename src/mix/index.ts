export type { KeepOptions } from './kept.ts';
export {
  type Choice,
  cheapestWithin,
  frontOf,
  type KnapsackOptions,
  type Solution,
} from './knapsack.ts';
export { type LayerSensitivity, measureSensitivity, type SensitivityOptions } from './sensitivity.ts';
