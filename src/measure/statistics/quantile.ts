import { gammaln, quantileSorted } from 'simple-statistics';
import type { Interval } from '../record.ts';
import { type Level, tailOf } from './normal.ts';

/** P(X <= k) for X binomial(n, p), by summing the terms in logarithms. */
export function binomialCdf(k: number, n: number, p: number): number {
  if (k < 0) return 0;
  if (k >= n || p <= 0) return 1;
  if (p >= 1) return 0;
  const whole = gammaln(n + 1);
  const [logP, logQ] = [Math.log(p), Math.log1p(-p)];
  let sum = 0;
  for (let i = 0; i <= k; i++) {
    sum += Math.exp(whole - gammaln(i + 1) - gammaln(n - i + 1) + i * logP + (n - i) * logQ);
  }
  return Math.min(1, sum);
}

/**
 * Interval of the q-quantile of what the values were drawn from, by order statistics: free of any distribution
 * (David and Nagaraja, Order Statistics, section 7.1). Where so few values cannot bound a side at the level, the bound
 * is the smallest or largest value and the method says so. `values` need not be sorted; NaN are not allowed.
 */
export function quantileInterval(
  values: ArrayLike<number>,
  q: number,
  how: Level = {},
): Interval & { readonly value: number } {
  const sorted = Float64Array.from(values).sort();
  const n = sorted.length;
  const tail = tailOf(how);
  // The number of values below the true quantile is binomial(n, q). Both ranks count from 1.
  let lower = 0;
  let upper = n + 1;
  let cumulated = 0;
  const whole = gammaln(n + 1);
  for (let k = 0; k <= n && upper > n; k++) {
    const inner = q <= 0 ? (k === 0 ? 1 : 0) : q >= 1 ? (k === n ? 1 : 0) : undefined;
    cumulated +=
      inner ??
      Math.exp(whole - gammaln(k + 1) - gammaln(n - k + 1) + k * Math.log(q) + (n - k) * Math.log1p(-q));
    if (cumulated <= tail) lower = k + 1;
    if (cumulated >= 1 - tail) upper = k + 1;
  }
  const short = lower < 1 || upper > n;
  return {
    value: n === 0 ? Number.NaN : quantileSorted(Array.from(sorted), q),
    low: sorted[Math.max(0, lower - 1)] ?? Number.NaN,
    high: sorted[Math.min(n, upper) - 1] ?? Number.NaN,
    level: how.level ?? 0.95,
    method: `order statistics${how.oneSided ? ', one-sided' : ''}${short ? ' (too few values to bound both sides)' : ''}`,
  };
}
