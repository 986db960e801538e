import { fail } from '../../base/index.ts';
import { auc } from './auc.ts';
import { accuracy, top1, top5 } from './classification.ts';
import { f1 } from './f1.ts';
import { agreement, cosine, maxError, sqnr } from './fidelity.ts';
import { kl } from './kl.ts';
import type { Metric } from './metric.ts';
import { ndcg } from './ndcg.ts';
import type { MetricMaker, MetricOptions } from './options.ts';
import { perplexity } from './perplexity.ts';
import { mae, mse, rmse } from './regression.ts';

/** Every metric by its name: adding one is a file, its test and a line here. */
export const METRICS = {
  top1,
  top5,
  accuracy,
  f1,
  auc,
  ndcg,
  mse,
  rmse,
  mae,
  perplexity,
  agreement,
  cosine,
  sqnr,
  kl,
  'max-error': maxError,
} as const satisfies Record<string, MetricMaker>;

export type MetricName = keyof typeof METRICS;

/** A fresh metric. Throws METRIC_UNKNOWN, listing those that are. */
export function metricByName(name: string, options: MetricOptions = {}): Metric {
  if (Object.hasOwn(METRICS, name)) return METRICS[name as MetricName](options);
  const names = Object.keys(METRICS);
  throw fail('METRIC_UNKNOWN', `${name} is none of ${names.join(', ')}`, { names });
}
