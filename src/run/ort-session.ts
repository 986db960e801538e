import type { Feeds, Session } from './session.ts';
import type { SessionSettings } from './settings.ts';

/** When a loop ends (whichever comes first; one second where neither is given), and what it computes. */
export interface LoopLimits {
  readonly seconds?: number;
  /** Runs of all instances together. */
  readonly runs?: number;
  /** Only these outputs. Default: all. */
  readonly outputs?: readonly string[];
  readonly signal?: AbortSignal;
}

/** What a closed loop measured. */
export interface LoopResult {
  /** Milliseconds of each run, in the order in which they started; measured in the worker around ONNX Runtime's own call. */
  readonly latencies: Float64Array;
  readonly wallSeconds: number;
  /** CPU seconds of the whole process between the first start and the last end. */
  readonly cpuSeconds: number;
  readonly runs: number;
}

/** A session of ONNX Runtime in worker threads. */
export interface OrtSession extends Session {
  readonly settings: SessionSettings;
  /**
   * Runs in a closed loop in all instances at once, feeds in turn, without a message per run. Other calls wait until it is done.
   * Throws as `run` does.
   */
  loop(feeds: readonly Feeds[], limits?: LoopLimits): Promise<LoopResult>;
}
