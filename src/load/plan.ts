import type { ArrivalSpec } from './arrivals/index.ts';
import type { Outcome } from './outcome.ts';
import type { Recording } from './recording.ts';

interface Common {
  /** Of the samples drawn (with replacement), and of the arrivals. */
  readonly seed: number;
  /** Time that is measured, after the warm-up. */
  readonly seconds: number;
  /** It goes on past `seconds` until so many queries are measured. */
  readonly minQueries: number;
  readonly warmUpSeconds: number;
  /** ms after its scheduled time at which a query is given up. */
  readonly timeoutMs: number;
}

/** Queries sent when they are due, whatever became of those before. */
export interface OpenPlan extends Common {
  readonly kind: 'open';
  readonly arrivals: ArrivalSpec;
  readonly maxOutstanding: number;
  /** Ends the run as soon as more than `over` measured queries are above `boundMs`: it can only fail. */
  readonly giveUp?: { readonly boundMs: number; readonly over: number };
}

/** The next query is sent when one is answered. */
export interface ClosedPlan extends Common {
  readonly kind: 'closed';
  readonly samplesPerQuery: number;
  /** Queries outstanding at once. */
  readonly concurrency: number;
  /** Offline: so many samples, all due at the start of the run; `seconds` and `minQueries` do not count. */
  readonly totalSamples?: number;
}

export type RunPlan = OpenPlan | ClosedPlan;

export interface RunHooks {
  /** Fires to end the run early; what was measured so far is kept. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (queries: number) => void;
}

/** What a run has left. */
export interface Ran {
  readonly recording: Recording;
  /** ms since the start, from which queries are measured. */
  readonly warmUpMs: number;
  /** ms since the start at which the last query was scheduled, or the run was ended. */
  readonly endMs: number;
  /** The signal fired. */
  readonly partial: boolean;
  /** It was given up because it could only fail. */
  readonly hopeless: boolean;
  /** The first message of every kind of failure. */
  readonly said: Partial<Record<Outcome, string>>;
}
