export { type AbsorbOptions, biasAbsorption } from './absorb-bias.ts';
export { type AwqOptions, awqQuantization, awqScaling } from './awq.ts';
export type { CalibrationMethod, Calibrator, CalibratorOptions, ValueRange } from './calibrate/ranges.ts';
export { CALIBRATORS } from './calibrate/ranges.ts';
export {
  type CalibrateOptions,
  calibrate,
  collectStatistics,
  rangesFrom,
  type Statistics,
  type StatisticsOptions,
} from './calibrate/statistics.ts';
export { Distortion } from './distortion.ts';
export { DYNAMIC_DEFAULTS, type DynamicOptions, dynamicQuantization } from './dynamic.ts';
export { type EqualizeOptions, equalization } from './equalize.ts';
export { originOf } from './executed-origin.ts';
export { defineFakeQuantize, fakeQuantizeNode } from './fake/fake-quantize.ts';
export { type RoundableLayer, roundableLayers, writeRounded } from './fake/layers.ts';
export type { Learnable } from './fake/learnable.ts';
export { learnableBlocks } from './fake/learnable-blocks.ts';
export { learnableQdq, type WeightNumbers } from './fake/learnable-qdq.ts';
export { checkFusion } from './fusion.ts';
export { type Repaired, type RepairOptions, repairFusion } from './fusion-repair.ts';
export type { FusionReport, NodeFusion, Repair } from './fusion-report.ts';
export { type GptqOptions, gptqQuantization } from './gptq.ts';
export { hqqQuantization } from './hqq.ts';
export { type Quantizable, quantizableNodes } from './quantizable.ts';
export type { Selection } from './selection.ts';
export { findSlowNodes, type PlaceTime, type SlowNodes, type SlowOptions } from './slow-ops.ts';
export { type SmoothOptions, smoothing } from './smooth.ts';
export {
  calibrationValues,
  prepareStatic,
  STATIC_DEFAULTS,
  type StaticOptions,
  staticQuantization,
  withNames,
} from './static.ts';
export { WEIGHT_ONLY_DEFAULTS, type WeightOnlyOptions, weightOnlyQuantization } from './weight-only.ts';
