import { arrivalsOf } from './arrivals/index.ts';
import type { Clock } from './clock.ts';
import { drawSamples, sampleStream } from './draw-samples.ts';
import { InFlight } from './in-flight.ts';
import type { OpenPlan, Ran, RunHooks } from './plan.ts';
import { runUntil } from './run-until.ts';
import type { System } from './system.ts';

/** Queries sent in one go when several are due; then answers are looked at again. */
const MOST_AT_ONCE = 64;

/** Sends queries at their scheduled times; see runPlan. */
export function runOpenLoop(system: System, plan: OpenPlan, clock: Clock, hooks: RunHooks): Promise<Ran> {
  const { timeoutMs, minQueries, giveUp, seed } = plan;
  const arrivals = arrivalsOf(plan.arrivals, seed)[Symbol.iterator]();
  const random = sampleStream(seed);
  const warmUpMs = plan.warmUpSeconds * 1000;
  const endMs = warmUpMs + plan.seconds * 1000;
  const most = plan.maxOutstanding;
  const flight = new InFlight(system, clock, { timeoutMs, most, warmUpMs, boundMs: giveUp?.boundMs });
  let next = arrivals.next();
  let measured = 0;
  let last = 0;
  let sending = true;
  return runUntil(flight, clock, hooks, {
    warmUpMs,
    endMs: () => (next.done ? last : Math.max(endMs, last)),
    hopeless: () => giveUp !== undefined && flight.overSoFar() > giveUp.over,
    idle: () => !sending,
    send: function send() {
      const now = flight.now();
      for (let sent = 0; ; sent++) {
        if (next.done || (next.value.at >= endMs && measured >= minQueries)) {
          sending = false;
          return;
        }
        const { at, size = 1, sample } = next.value;
        if (at > now || sent === MOST_AT_ONCE) {
          clock.alarm(flight.start + at, send);
          return;
        }
        if (at >= warmUpMs) measured++;
        last = at;
        flight.issue(at, drawSamples(random, system.samples, size, sample));
        next = arrivals.next();
      }
    },
  });
}
