export { HALF_DEFAULTS, type HalfOptions, halfPrecision } from './fp16.ts';
export type { Maxima } from './half-ranges.ts';
export { halfTensor } from './half-tensor.ts';
export { isHeavy, type LayerOptions, type MixLayer, mixLayers } from './layers.ts';
export { halfMaxima, MIXED_DEFAULTS, type MixedOptions, mixedPrecision } from './mixed-precision.ts';
export { type Assignment, PRECISIONS, type Precision } from './precision.ts';
