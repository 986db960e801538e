export { HALF_DEFAULTS, type HalfOptions, halfPrecision } from './fp16.ts';
export { halfTensor } from './half-tensor.ts';
