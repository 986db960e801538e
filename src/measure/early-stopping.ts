import { binomialCdf } from './statistics/index.ts';

/** Values that the order-statistic interval of a p-quantile needs at least: both bounds must be values that were seen. */
export function runsForInterval(p: number, level = 0.95): number {
  const tail = (1 - level) / 2;
  return Math.ceil(Math.max(Math.log(tail) / Math.log(p), Math.log(tail) / Math.log1p(-p)) - 1e-9);
}

/**
 * MLPerf LoadGen's early stopping: the number of queries with which `over` of them above a bound still show, at
 * `confidence`, that a share p of all queries lies within the bound: the least n with P(B <= over) <= 1 - confidence,
 * B ~ Binomial(n, 1 - p) (mlcommons/inference_policies, inference_rules, "Early stopping"; tolerance d = 0).
 */
export function earlyStoppingQueries(p: number, over: number, confidence = 0.99): number {
  let low = over;
  let high = over + 1;
  const enough = (n: number) => binomialCdf(over, n, 1 - p) <= 1 - confidence;
  while (!enough(high)) {
    low = high;
    high *= 2;
  }
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (enough(middle)) high = middle;
    else low = middle;
  }
  return high;
}

/**
 * The most queries above a bound with which n queries still show that a share p of all lies within it: the inverse of
 * `earlyStoppingQueries`. Undefined where n is too small to show it even with none (below 44 at p90, 459 at p99).
 */
export function earlyStoppingAllowed(n: number, p: number, confidence = 0.99): number | undefined {
  if (n < earlyStoppingQueries(p, 0, confidence)) return undefined;
  // n values hold about n(1 - p) above the quantile, and the answer must be fewer: the bound of the search.
  let allowed = 0;
  for (let step = 2 ** Math.ceil(Math.log2(n * (1 - p) + 2)); step >= 1; step /= 2) {
    const more = allowed + step;
    if (more <= n * (1 - p) && earlyStoppingQueries(p, more, confidence) <= n) allowed = more;
  }
  return allowed;
}

/**
 * MLPerf's early-stopping estimate of a quantile: with the most overlatency queries t that n allows, the t-1 highest
 * values are put aside and the highest left is reported. Undefined below the queries for t = 1 (64 at p90, 662 at p99).
 */
export function earlyStoppingEstimate(
  sorted: ArrayLike<number>,
  p: number,
  confidence = 0.99,
): number | undefined {
  const over = earlyStoppingAllowed(sorted.length, p, confidence) ?? 0;
  return over === 0 ? undefined : sorted[sorted.length - over];
}
