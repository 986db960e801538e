export type { KeepOptions } from './kept.ts';
export {
  type Choice,
  cheapestWithin,
  frontOf,
  type KnapsackOptions,
  type Solution,
} from './knapsack.ts';
export { type MixResult, mixPrecision } from './mix.ts';
export { MIX_OBJECTIVES, type MixObjective, type MixOptions, type MixParts } from './options.ts';
export { type LayerSensitivity, measureSensitivity, type SensitivityOptions } from './sensitivity.ts';
export { type LayerSpeed, measureSpeed, type SpeedOptions } from './speed.ts';
export { makeVariant, uniformVariant } from './variant.ts';
