import { ALIKE_WITHIN } from '../measure/index.ts';
import type { Goal } from './goal.ts';
import type { Variant } from './variant.ts';

/** What the goal minimizes, relative to the model as given, for ranking. Infinite where it was not measured. */
export function objectiveOf(variant: Variant, goal: Goal): number {
  const { timing } = variant;
  if (goal.minimize === 'size') return variant.bytes;
  if (timing === undefined) return Number.POSITIVE_INFINITY;
  switch (goal.minimize) {
    case 'latency':
      return timing.latency.value;
    case 'energy':
      return timing.cpu.value;
    case 'cost':
      return 1 / timing.throughput.value;
  }
}

/** Why a variant must not be shipped for its speed or size, or undefined. Intervals decide, not points, and differences within ALIKE_WITHIN are none. */
export function speedObjection(variant: Variant, baseline: Variant, goal: Goal): string | undefined {
  const { timing } = variant;
  if (timing === undefined) return 'its speed was not measured';
  if (goal.maxBytes !== undefined && variant.bytes > goal.maxBytes) {
    return `its ${variant.bytes} bytes pass the goal's ${goal.maxBytes}`;
  }
  if (goal.p99 !== undefined && timing.p99 > goal.p99) {
    return `its 99th percentile of ${timing.p99.toFixed(2)} ms passes the goal's ${goal.p99} ms`;
  }
  if (timing.throughput.high < 1 - ALIKE_WITHIN)
    return `it is slower than the model as given (${ratio(timing.throughput.value)} the throughput)`;
  if (goal.p99 === undefined && timing.latency.low > 1 + ALIKE_WITHIN) {
    return `a single call is slower than with the model as given (${ratio(timing.latency.value)} the time)`;
  }
  const gain = `no gain in ${goal.minimize} is sure`;
  switch (goal.minimize) {
    case 'size':
      return variant.bytes < baseline.bytes ? undefined : 'it is not smaller than the model as given';
    case 'latency':
      return timing.latency.high < 1 - ALIKE_WITHIN ? undefined : gain;
    case 'energy':
      return timing.cpu.high < 1 - ALIKE_WITHIN ? undefined : gain;
    case 'cost':
      return timing.throughput.low > 1 + ALIKE_WITHIN ? undefined : gain;
  }
}

const ratio = (value: number) => `${value.toFixed(2)} times`;
