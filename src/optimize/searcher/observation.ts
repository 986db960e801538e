import type { Point } from '../space/dimension.ts';

/** A figure that must not be above 0, and how far it may be off (standard deviation). */
export interface Held {
  readonly value: number;
  readonly noise: number;
}

/** What one step of the search found at one point. */
export interface Observation {
  readonly point: Point;
  /** Fidelity: 0 is the cheapest that is measured; each higher one knows more. */
  readonly rung: number;
  /** What is minimized, above 0. Absent where the step failed. */
  readonly objective?: number;
  /** Standard deviation of the logarithm of the objective. */
  readonly noise?: number;
  /** The constraints by name, at most 0 where they hold. */
  readonly held?: Readonly<Record<string, Held>>;
  /** Why nothing was found. */
  readonly failed?: string;
}

/** What the search is to do next, and why. */
export interface Proposal {
  readonly point: Point;
  readonly rung: number;
  readonly why: string;
}
