import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../test/load/virtual-clock.ts';
import { fail } from '../base/index.ts';
import { measuredOf } from './measured.ts';
import { OUTCOMES, outcomeOf } from './outcome.ts';
import type { OpenPlan } from './plan.ts';
import { runPlan } from './run-plan.ts';
import type { System } from './system.ts';

const PLAN: OpenPlan = {
  kind: 'open',
  arrivals: { kind: 'uniform', rate: 100 },
  seed: 3,
  seconds: 1,
  minQueries: 0,
  warmUpSeconds: 0.5,
  timeoutMs: 200,
  maxOutstanding: 1000,
};

const never = (signal: AbortSignal) =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));

test('queries go out when they are due, and what comes before the measured part does not count', async () => {
  const clock = new VirtualClock();
  const system: System = { samples: 7, answer: () => clock.at(clock.now() + 3) };
  const ran = await clock.run(runPlan(system, PLAN, clock));
  assert.deepEqual(
    [...ran.recording.scheduled],
    Array.from({ length: 150 }, (_, i) => i * 10),
  );
  assert.deepEqual([...ran.recording.sent], [...ran.recording.scheduled]);
  const measured = measuredOf(ran);
  assert.deepEqual([measured.queries, measured.warmUpQueries, measured.seconds], [100, 50, 1]);
  assert.ok(measured.latency.every((ms) => Math.abs(ms - 3) < 1e-9));
  assert.ok(ran.recording.sample.every((sample) => sample < 7));
  const again = new VirtualClock();
  const repeated = await again.run(
    runPlan({ ...system, answer: () => again.at(again.now() + 3) }, PLAN, again),
  );
  assert.deepEqual(repeated.recording.sample, ran.recording.sample);
});

test('a query without an answer is given up, counts as endless, and its work is told to stop', async () => {
  const clock = new VirtualClock();
  let stopped = 0;
  let asked = 0;
  const system: System = {
    samples: 1,
    answer: (_, signal) => {
      if (asked++ % 10 !== 0) return clock.at(clock.now() + 1);
      signal.addEventListener('abort', () => stopped++);
      return never(signal);
    },
  };
  const measured = measuredOf(await clock.run(runPlan(system, PLAN, clock)));
  assert.deepEqual([measured.outcomes.timeout, measured.outcomes.ok, stopped], [10, 90, 15]);
  assert.equal(measured.latency.filter((ms) => ms === Number.POSITIVE_INFINITY).length, 10);
});

test('memory is bounded: above the limit a query is not sent, and counts as not answered', async () => {
  const clock = new VirtualClock();
  let most = 0;
  let open = 0;
  const system: System = {
    samples: 1,
    answer: async () => {
      most = Math.max(most, ++open);
      await clock.at(clock.now() + 100);
      open--;
    },
  };
  const plan = { ...PLAN, maxOutstanding: 4 };
  const measured = measuredOf(await clock.run(runPlan(system, plan, clock)));
  assert.equal(most, 4);
  assert.ok(measured.outcomes['not-sent'] > 40 && measured.outcomes.ok > 30);
  assert.equal(measured.outcomes['not-sent'] + measured.outcomes.ok, 100);
});

test('stopped early, what was measured is kept, and what waited long counts with the time it waited', async () => {
  const clock = new VirtualClock();
  const stop = new AbortController();
  let asked = 0;
  const system: System = {
    samples: 1,
    answer: (_, signal) => (asked++ === 60 ? never(signal) : clock.at(clock.now() + 5)),
  };
  const running = runPlan(system, { ...PLAN, timeoutMs: 1e6 }, clock, { signal: stop.signal });
  void clock.at(1002).then(() => stop.abort());
  const ran = await clock.run(running);
  assert.equal(ran.partial, true);
  const measured = measuredOf(ran);
  assert.equal(measured.outcomes.ok, 49);
  assert.equal(measured.outcomes.cancelled, 2);
  // That of 600 ms waited 402 ms; that of 1000 ms had just been sent, and says nothing.
  assert.equal(Math.max(...measured.latency), 402);
  assert.equal(measured.queries, 50);
});

test('a load that can only fail is given up at once', async () => {
  const clock = new VirtualClock();
  const system: System = { samples: 1, answer: () => clock.at(clock.now() + 50) };
  const plan = { ...PLAN, seconds: 1000, giveUp: { boundMs: 20, over: 10 } };
  const ran = await clock.run(runPlan(system, plan, clock));
  assert.equal(ran.hopeless, true);
  assert.ok(clock.now() < 700, `${clock.now()} ms`);
});

test('failures are told apart', () => {
  const remote = (status: number) => fail('REMOTE_FAILED', `http://h answered ${status}: no`, { status });
  const cases: [unknown, string][] = [
    [fail('OVERLOADED', 'x'), 'shed'],
    [remote(503), 'shed'],
    [remote(429), 'shed'],
    [remote(504), 'timeout'],
    [remote(500), 'failed'],
    [remote(404), 'refused'],
    [fail('DEADLINE_MISSED', 'x'), 'timeout'],
    [fail('FEED_MISMATCH', 'x'), 'refused'],
    [fail('REMOTE_FAILED', 'connect ECONNREFUSED'), 'connection'],
    [fail('RUNTIME_FAILED', 'x'), 'failed'],
    [new Error('x'), 'failed'],
  ];
  for (const [thrown, outcome] of cases) assert.equal(outcomeOf(thrown), outcome, String(thrown));
  assert.ok(cases.every(([, outcome]) => OUTCOMES.includes(outcome as 'ok')));
});

test('a server that refuses everything ends a closed load too', async () => {
  const clock = new VirtualClock();
  const system: System = { samples: 1, answer: () => Promise.reject(fail('OVERLOADED', 'full')) };
  const { arrivals: _, maxOutstanding: __, ...common } = PLAN;
  const plan = { ...common, kind: 'closed', samplesPerQuery: 1, concurrency: 2 } as const;
  const ran = await clock.run(runPlan(system, plan, clock));
  const measured = measuredOf(ran);
  assert.ok(measured.outcomes.shed > 100 && measured.outcomes.ok === 0);
  assert.match(ran.said.shed ?? '', /full/);
});

test('offline: all samples are sent, each counted from the start', async () => {
  const clock = new VirtualClock();
  let open = 0;
  let most = 0;
  const system: System = {
    samples: 3,
    answer: async () => {
      most = Math.max(most, ++open);
      await clock.at(clock.now() + 10);
      open--;
    },
  };
  const { arrivals: _, maxOutstanding: __, ...common } = PLAN;
  const plan = { ...common, kind: 'closed', samplesPerQuery: 8, concurrency: 2, totalSamples: 44 } as const;
  const measured = measuredOf(await clock.run(runPlan(system, plan, clock)));
  assert.deepEqual([...measured.size], [8, 8, 8, 8, 8, 4]);
  assert.deepEqual([...measured.latency], [10, 10, 20, 20, 30, 30]);
  assert.deepEqual([most, measured.seconds], [2, 0.03]);
});
