export {
  ALIKE_WITHIN,
  type ComparedPairs,
  type CompareOptions,
  type Comparison,
  comparePaired,
  sayRatio,
  verdictOf,
} from './compare.ts';
export { type CostOptions, carbonPerMillion, costPerMillion } from './cost.ts';
export { CPU_POWER, wattsPerCore } from './cpu-power.ts';
export {
  earlyStoppingAllowed,
  earlyStoppingEstimate,
  earlyStoppingQueries,
  runsForInterval,
} from './early-stopping.ts';
export { type EnergyOptions, measureEnergy } from './energy.ts';
export {
  type CompareEvaluationsOptions,
  compareEvaluations,
  type Drop,
  type EvaluateOptions,
  type Evaluation,
  evaluate,
} from './evaluate.ts';
export { canBatch, concreteShape, fixedBatch, type RandomFeedOptions, randomFeeds } from './feeds.ts';
export { countWork, type LayerCost, type WorkReport } from './flops.ts';
export { GRID, type GridIntensity, gridOf } from './grid.ts';
export { type LatencyOptions, type LatencyResult, measureLatency } from './latency.ts';
export { type LimitOptions, type Limits, limitFor, machineLimits } from './limits.ts';
export type { Looper, LoopTimes } from './loop.ts';
export { type LoopSessionOptions, looperOf, shuffledFeeds } from './loop-session.ts';
export { thisMachine } from './machine.ts';
export { type MemoryOptions, measureMemory } from './memory.ts';
export * from './metrics/index.ts';
export { findPowercap, type Powercap, PowercapMeter } from './powercap.ts';
export { PRICES, type Price, priceOf } from './prices.ts';
export { type ProfileModelOptions, type ProfileReport, profileModel } from './profile.ts';
export { type FeedSource, feedsOf, usableBatches } from './profile-feeds.ts';
export { joinLayers, type ProfiledLayer } from './profile-layers.ts';
export type { How, Interval, Measurement } from './record.ts';
export { findRecord, type Recorder, recorder, type Settings } from './recorder.ts';
export { type Distance, distanceToLimits, type Workload } from './roofline.ts';
export type { Contestant, RoundOptions } from './rounds.ts';
export * from './statistics/index.ts';
export { type CurveOptions, type CurvePoint, throughputCurve } from './throughput.ts';
export { type Noise, noiseOf, type WarmUp, warmUp } from './windows.ts';
