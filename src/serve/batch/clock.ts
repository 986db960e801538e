/** Time as the batcher sees it: the real one in a server, a virtual one in tests and simulations. */
export interface Clock {
  /** ms. */
  now(): number;
  /** Calls once at a time, or as soon as what happens now is over where it is past. Returns what calls it off. */
  at(time: number, call: () => void): () => void;
  /** ms by which a call may come late: shorter waits are not worth beginning. */
  readonly resolution: number;
}

/** ms: longer waits overflow a timer of Node, which then fires at once. */
const LONGEST = 2 ** 30;

/** The clock of performance.now(). */
export const REAL_CLOCK: Clock = {
  now: () => performance.now(),
  at(time, call) {
    const wait = time - performance.now();
    if (wait <= 0) {
      const handle = setImmediate(call);
      return () => clearImmediate(handle);
    }
    // A timer may fire early: what is not due then is looked at again.
    const handle = setTimeout(call, Math.min(LONGEST, Math.ceil(wait)));
    return () => clearTimeout(handle);
  },
  resolution: 1,
};
