/** The library: everything a command does is a function here. */
export { fail, ModicumError, type Progress, Random, SILENT, VERSION } from './base/index.ts';
export * from './bundle/index.ts';
export { type Config, defineConfig } from './cli/config.ts';
export * from './cluster/index.ts';
export * from './data/index.ts';
export * from './edge/index.ts';
export * from './exits/index.ts';
export * from './files/index.ts';
export * from './graph/index.ts';
export * from './measure/index.ts';
export * from './mix/index.ts';
export {
  type Goal,
  makeGoal,
  OBJECTIVES,
  type Objective,
  type OptimizeOptions,
  type OptimizeResult,
  optimize,
  type Recipe,
} from './optimize/index.ts';
export * from './report/index.ts';
export * from './run/index.ts';
export * from './staged/index.ts';
export * from './tokens/index.ts';
export * from './train/index.ts';
export * from './transform/index.ts';
