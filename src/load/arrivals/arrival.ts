/** One request of a schedule. */
export interface Arrival {
  /** ms since the start of the schedule. */
  readonly at: number;
  /** Samples in it. Default 1. */
  readonly size?: number;
  /** Which sample, where the schedule says it (a recorded run). Default: drawn. */
  readonly sample?: number;
}

/** Arrivals in order of time; without end, but for traces. */
export type Arrivals = Iterable<Arrival>;
