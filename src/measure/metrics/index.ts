export { METRICS, type MetricName, metricByName } from './list.ts';
export type { Metric, Observed } from './metric.ts';
export type { MetricMaker, MetricOptions } from './options.ts';
