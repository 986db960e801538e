export { evaluate, KERNELS } from './evaluate.ts';
export { finiteDifferences } from './finite-differences.ts';
export type { Call, Kernel, Kernels } from './kernel.ts';
export { type RandomValueOptions, randomValues } from './random-values.ts';
export { bool, float, int, type Kind, ofTensor, toTensor, type Value } from './value.ts';
