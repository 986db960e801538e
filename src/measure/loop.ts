import type { Feeds, Session } from '../run/index.ts';

/** What a closed loop saw. */
export interface LoopTimes {
  /** Milliseconds of every run, in the order of their starts. */
  readonly latencies: Float64Array;
  readonly wallSeconds: number;
  /** CPU time of the process while the loop ran: all threads. */
  readonly cpuSeconds: number;
  readonly runs: number;
}

/**
 * A session that can be timed: it runs the feeds round and round where it computes, one run at a time, so that no
 * message to a worker lies inside a latency. The session of ONNX Runtime is one.
 */
export interface Looper extends Pick<Session, 'inputs' | 'outputs'> {
  /** At least one run; then until `seconds` have passed or `runs` are done. All instances of a session work. */
  loop(
    feeds: readonly Feeds[],
    limits: { seconds?: number; runs?: number; signal?: AbortSignal },
  ): Promise<LoopTimes>;
}
