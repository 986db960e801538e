export {
  ARRIVALS,
  type Arrival,
  type ArrivalSpec,
  arrivalsOf,
  describeArrivals,
  type Trace,
} from './arrivals/index.ts';
export { type Benched, runBench } from './bench.ts';
export type { BenchOptions } from './bench-options.ts';
export type { Clock } from './clock.ts';
export { OUTCOMES, type Outcome } from './outcome.ts';
export type { ClosedPlan, OpenPlan, Ran, RunHooks, RunPlan } from './plan.ts';
export type { Recording } from './recording.ts';
export {
  type BoundCheck,
  type FoundRate,
  type LatencyFigures,
  type LoadFigure,
  type LoadPoint,
  type LoadResult,
  type LoadWindow,
  SCENARIOS,
  type Scenario,
} from './result.ts';
export { boundInWords } from './rules.ts';
export { runPlan } from './run-plan.ts';
export { type System, systemOf } from './system.ts';
export { readTrace, writeTrace } from './trace-file.ts';
