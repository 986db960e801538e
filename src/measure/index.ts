export { earlyStoppingEstimate, earlyStoppingQueries, runsForInterval } from './early-stopping.ts';
export { canBatch, concreteShape, fixedBatch, type RandomFeedOptions, randomFeeds } from './feeds.ts';
export type { Looper, LoopTimes } from './loop.ts';
export type { How, Interval, Measurement } from './record.ts';
