/** The library: everything a command does is a function here. */
export { fail, ModicumError, type Progress, Random, SILENT, VERSION } from './base/index.ts';
export * from './bundle/index.ts';
export { type Config, defineConfig } from './cli/config.ts';
export {
  GrpcInferenceClient,
  InferenceClient,
  type InferenceService,
  type ModelType,
} from './client/index.ts';
export * from './cluster/index.ts';
export * from './data/index.ts';
export * from './edge/index.ts';
export * from './exits/index.ts';
export * from './files/index.ts';
export * from './graph/index.ts';
export {
  type Arrival,
  type ArrivalSpec,
  type Benched,
  type BenchOptions,
  type LoadResult,
  readTrace,
  runBench,
  SCENARIOS,
  type Scenario,
  writeTrace,
} from './load/index.ts';
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
export {
  DATATYPES,
  type Datatype,
  encodeInferRequest,
  encodeInferResponse,
  readInferRequest,
  readInferResponse,
} from './protocol/index.ts';
export * from './report/index.ts';
export * from './run/index.ts';
export {
  type DashboardOptions,
  dashboardRoutes,
  type Engine,
  type EngineOptions,
  type Meter,
  type Observer,
  observeRoutes,
  openEngine,
  openObservation,
  type RunningServer,
  type SeriesDocument,
  type Served,
  type ServeOptions,
  type ServerConfig,
  serve,
  startServer,
} from './serve/index.ts';
export * from './staged/index.ts';
export * from './tokens/index.ts';
export * from './train/index.ts';
export * from './transform/index.ts';
