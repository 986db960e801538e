/** The time that a load generator goes by. Tests put a virtual one in its place. */
export interface Clock {
  /** Milliseconds since some fixed moment. */
  now(): number;
  /** Calls back once at `due` (of now()), or as soon after it as can be. A new alarm takes the place of the one before. */
  alarm(due: number, ring: () => void): void;
  /** Calls back about every so many milliseconds, until the returned function is called. */
  every(milliseconds: number, call: () => void): () => void;
}
