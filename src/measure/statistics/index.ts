export { bettingPValue } from './betting.ts';
export { type BootstrapOptions, bootstrapInterval, pairedBootstrap, type Statistic } from './bootstrap.ts';
export {
  binomialPValue,
  bonferroniTest,
  type Certified,
  fixedSequenceTest,
  hoeffdingBentkusPValue,
} from './learn-then-test.ts';
export { type Level, normalCdf, normalQuantile } from './normal.ts';
export { pairedDropPValue } from './paired-drop.ts';
export { type PairedCounts, pairedProportionInterval, pairedScore, wilsonInterval } from './proportion.ts';
export { binomialCdf, quantileInterval } from './quantile.ts';
