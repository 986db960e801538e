export { type BootstrapOptions, bootstrapInterval, pairedBootstrap, type Statistic } from './bootstrap.ts';
export { type Level, normalCdf, normalQuantile } from './normal.ts';
export { type PairedCounts, pairedProportionInterval, wilsonInterval } from './proportion.ts';
export { binomialCdf, quantileInterval } from './quantile.ts';
