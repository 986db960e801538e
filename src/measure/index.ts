export { canBatch, concreteShape, fixedBatch, type RandomFeedOptions, randomFeeds } from './feeds.ts';
export type { Looper, LoopTimes } from './loop.ts';
export {
  binomialCdf,
  earlyStoppingEstimate,
  earlyStoppingQueries,
  percentileInterval,
  percentileOf,
  runsForInterval,
} from './percentile.ts';
export type { How, Interval, Measurement } from './record.ts';
