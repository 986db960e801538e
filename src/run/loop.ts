import { fail } from '../base/index.ts';
import { packFeeds } from './feeds.ts';
import { LOOP_ARRIVED, LOOP_STOP, LOOP_WORDS, type LoopReply } from './messages.ts';
import { failure } from './ort-errors.ts';
import type { LoopLimits, LoopResult } from './ort-session.ts';
import type { Feeds } from './session.ts';
import { RuntimeMessage, type Thread } from './thread.ts';

/** Starts the closed loop in all threads together. `stop` ends it after the runs at hand. */
export function runLoop(
  threads: readonly Thread[],
  feeds: readonly Feeds[],
  outputs: readonly string[],
  limits: LoopLimits,
): { result: Promise<LoopResult>; stop: () => void } {
  const control = new SharedArrayBuffer(LOOP_WORDS * Int32Array.BYTES_PER_ELEMENT);
  const words = new Int32Array(control);
  const stop = () => {
    Atomics.store(words, LOOP_STOP, 1);
    Atomics.notify(words, LOOP_ARRIVED);
  };
  limits.signal?.addEventListener('abort', stop, { once: true });
  const result = gather(threads, feeds, outputs, limits, control, stop).finally(() =>
    limits.signal?.removeEventListener('abort', stop),
  );
  return { result, stop };
}

async function gather(
  threads: readonly Thread[],
  feeds: readonly Feeds[],
  outputs: readonly string[],
  limits: LoopLimits,
  control: SharedArrayBuffer,
  stop: () => void,
): Promise<LoopResult> {
  if (feeds.length === 0) throw fail('FEED_MISMATCH', 'a loop needs at least one set of feeds');
  const unlimited = limits.seconds === undefined && limits.runs === undefined;
  const seconds = limits.seconds ?? (unlimited ? 1 : Number.POSITIVE_INFINITY);
  const runs = limits.runs ?? 2 ** 31 - 1;
  const settled = await Promise.allSettled(
    threads.map((thread) => {
      const packs = feeds.map((feed) => packFeeds(feed, false));
      return thread
        .ask<'loop'>(
          {
            kind: 'loop',
            feeds: packs.map((pack) => pack.packed),
            outputs,
            seconds,
            runs,
            control,
            parties: threads.length,
          },
          packs.flatMap((pack) => pack.transfer),
        )
        .catch((cause) => {
          stop();
          throw cause;
        });
    }),
  );
  limits.signal?.throwIfAborted();
  const replies = settled.map((one) => {
    if (one.status === 'fulfilled') return one.value;
    throw one.reason instanceof RuntimeMessage ? failure(one.reason.message, one.reason) : one.reason;
  });
  return merge(replies);
}

function merge(replies: readonly LoopReply[]): LoopResult {
  const begin = Math.min(...replies.map((reply) => reply.begin));
  const end = Math.max(...replies.map((reply) => reply.end));
  const cpuBegin = Math.min(...replies.map((reply) => reply.cpuBegin));
  const cpuEnd = Math.max(...replies.map((reply) => reply.cpuEnd));
  const runs = replies.reduce((sum, reply) => sum + reply.latencies.length, 0);
  const latencies = replies.length === 1 ? replies[0]!.latencies : byStart(replies, runs);
  return { latencies, wallSeconds: (end - begin) / 1000, cpuSeconds: (cpuEnd - cpuBegin) / 1e6, runs };
}

/** Merges the instances' runs, each already in order. */
function byStart(replies: readonly LoopReply[], runs: number): Float64Array {
  const merged = new Float64Array(runs);
  const at = replies.map(() => 0);
  for (let i = 0; i < runs; i++) {
    let next = -1;
    let earliest = Number.POSITIVE_INFINITY;
    for (const [k, { starts }] of replies.entries()) {
      const start = starts[at[k]!];
      if (start !== undefined && (next < 0 || start < earliest)) {
        next = k;
        earliest = start;
      }
    }
    merged[i] = replies[next]!.latencies[at[next]!++]!;
  }
  return merged;
}
