import type { ServiceCurve } from './curve.ts';

/** Requests that can be computed together: one shape of all axes but that of the samples. */
export interface Group {
  readonly curve: ServiceCurve;
  /** Samples of a batch; 1 where nothing can be batched. */
  readonly maxBatch: number;
}

/** What waits for its batch: a request, or a part of one that is larger than a batch. Times in ms of the batcher's clock. */
export interface Work {
  readonly samples: number;
  readonly arrived: number;
  /** Its answer is worth nothing later. */
  readonly deadline: number;
  /** 1 is the most urgent. */
  readonly priority: number;
  readonly bytes: number;
  readonly group: Group;
}

/** Why work is not taken in. */
export interface Refusal {
  readonly code: 'OVERLOADED' | 'DEADLINE_MISSED';
  readonly why: string;
  /** ms after which asking again may help. */
  readonly retryAfterMs: number;
}

/** Work in line. */
export interface Entry<T extends Work = Work> {
  readonly work: T;
  /** Its place: the lowest is first. */
  readonly key: number;
  /** False as long as its bytes arrive. */
  ready: boolean;
  /** Asks to be let in just now. */
  fresh: boolean;
}
