import type { Clock } from './clock.ts';
import { drawSamples, sampleStream } from './draw-samples.ts';
import { InFlight } from './in-flight.ts';
import type { ClosedPlan, Ran, RunHooks } from './plan.ts';
import { runUntil } from './run-until.ts';
import type { System } from './system.ts';

/** ms before the next query after one that failed: what refuses at once would keep the thread for itself. */
const PAUSE_MS = 1;

/** Sends the next query when one is answered; see runPlan. */
export function runClosedLoop(system: System, plan: ClosedPlan, clock: Clock, hooks: RunHooks): Promise<Ran> {
  const { samplesPerQuery, concurrency, minQueries, totalSamples, timeoutMs, seed } = plan;
  const offline = totalSamples !== undefined;
  const warmUpMs = offline ? 0 : plan.warmUpSeconds * 1000;
  const endMs = warmUpMs + plan.seconds * 1000;
  const random = sampleStream(seed);
  const flight = new InFlight(system, clock, {
    timeoutMs,
    // All of offline is due at the start, and waits for its turn there.
    timeoutFrom: offline ? 'sent' : 'scheduled',
    most: Number.POSITIVE_INFINITY,
    warmUpMs,
  });
  let left = totalSamples ?? Number.POSITIVE_INFINITY;
  let measured = 0;
  const idle = () => (offline ? left <= 0 : flight.now() >= endMs && measured >= minQueries);
  const send = () => {
    while (flight.count < concurrency && !idle()) {
      const size = Math.min(samplesPerQuery, left);
      left -= size;
      const now = flight.now();
      if (now >= warmUpMs) measured++;
      flight.issue(offline ? 0 : now, drawSamples(random, system.samples, size));
    }
  };
  return runUntil(flight, clock, hooks, {
    warmUpMs,
    endMs: () => flight.now(),
    send,
    idle,
    onSettled: (outcome, resume) => {
      if (outcome === 'ok') send();
      else clock.alarm(clock.now() + PAUSE_MS, resume);
    },
  });
}
