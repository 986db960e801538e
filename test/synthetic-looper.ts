import type { Looper, LoopTimes } from '../src/measure/index.ts';

/** What a run costs, by its number: milliseconds of wall clock. */
export type Cost = (run: number) => number;

/**
 * A looper with a known truth, to hold the statistics of measuring to it: its clock is computed, not read, so that
 * thousands of measurements take no time and nothing depends on the machine. CPU time is twice the wall clock.
 */
export function syntheticLooper(cost: Cost): Looper & { readonly runs: number } {
  let runs = 0;
  return {
    inputs: [],
    outputs: [],
    get runs() {
      return runs;
    },
    async loop(_feeds, limits): Promise<LoopTimes> {
      limits.signal?.throwIfAborted();
      const latencies: number[] = [];
      let spent = 0;
      do {
        const latency = cost(runs++);
        latencies.push(latency);
        spent += latency / 1000;
      } while (
        spent < (limits.seconds ?? Number.POSITIVE_INFINITY) &&
        latencies.length < (limits.runs ?? Number.POSITIVE_INFINITY)
      );
      return {
        latencies: Float64Array.from(latencies),
        wallSeconds: spent,
        cpuSeconds: 2 * spent,
        runs: latencies.length,
      };
    },
  };
}
