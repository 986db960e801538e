import { fail, Random } from '../base/index.ts';
import type { Feeds, Session } from '../run/index.ts';
import type { Looper } from './loop.ts';

export interface LoopSessionOptions {
  /** Calls under way at a time. Default 1. */
  readonly parallel?: number;
}

/**
 * Times any session from where it is called: each latency is that of a whole call, with all messages to workers or servers in it. Feeds
 * go on where the loop before stopped, so that many short loops see all of them.
 */
export function looperOf(session: Session, options: LoopSessionOptions = {}): Looper {
  const { parallel = 1 } = options;
  let next = 0;
  return {
    inputs: session.inputs,
    outputs: session.outputs,
    async loop(feeds, limits) {
      if (feeds.length === 0) throw fail('FEED_MISMATCH', 'a loop needs at least one set of feeds');
      const { signal, runs = Number.POSITIVE_INFINITY } = limits;
      const seconds = limits.seconds ?? (limits.runs === undefined ? 1 : Number.POSITIVE_INFINITY);
      const latencies: number[] = [];
      let started = 0;
      const before = process.cpuUsage();
      const begin = performance.now();
      const work = async () => {
        while (started === 0 || (started < runs && performance.now() - begin < seconds * 1000)) {
          signal?.throwIfAborted();
          const place = started++;
          const from = performance.now();
          await session.run(feeds[next++ % feeds.length]!, { signal });
          latencies[place] = performance.now() - from;
        }
      };
      await Promise.all(Array.from({ length: parallel }, work));
      const { user, system } = process.cpuUsage(before);
      return {
        latencies: Float64Array.from(latencies),
        wallSeconds: (performance.now() - begin) / 1000,
        cpuSeconds: (user + system) / 1e6,
        runs: latencies.length,
      };
    },
  };
}

/** The same looper with the feeds in another order at each loop: for one that always begins with the first. */
export function shuffledFeeds(looper: Looper, seed: number): Looper {
  const random = new Random(seed);
  return {
    inputs: looper.inputs,
    outputs: looper.outputs,
    loop: (feeds: readonly Feeds[], limits) => looper.loop(random.shuffle([...feeds]), limits),
  };
}
