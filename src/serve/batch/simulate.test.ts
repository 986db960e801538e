import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../base/index.ts';
import { type Arrival, simulate } from './simulate.ts';

const mean = (n: number) => 0.9 + 0.095 * n;
const service = (n: number, random: Random) => mean(n) * Math.exp(0.06 * random.normal());
const GOAL = 8;

function poisson(
  rate: number,
  count: number,
  seed: number,
  more: (random: Random) => Partial<Arrival> = () => ({}),
): Arrival[] {
  const random = new Random(seed);
  let at = 0;
  return Array.from({ length: count }, () => {
    at -= Math.log(1 - random.uniform()) / rate;
    return { at, within: GOAL, ...more(random) };
  });
}

const share = <T>(of: readonly T[], that: (one: T) => boolean) => of.filter(that).length / of.length;
const options = { service, lanes: 1, maxBatch: 64, seed: 7 };
/** Samples a ms that batches of half the goal can do. */
const CAPACITY = 32 / mean(32);

test('at twice the load at least 99 % of those let in are in time, the others are refused at once, and as much is done as can be', () => {
  for (const lanes of [1, 2]) {
    const arrivals = poisson(2 * lanes * CAPACITY, 20_000, 1);
    const { outcomes, repeated, spanMs } = simulate(arrivals, { ...options, lanes, policy: { kind: 'slo' } });
    assert.equal(repeated, 0);
    const admitted = outcomes.filter(({ fate }) => fate !== 'refused');
    assert.ok(share(admitted, ({ inTime }) => inTime) >= 0.99, `${share(admitted, ({ inTime }) => inTime)}`);
    assert.ok(outcomes.every(({ fate, ms }) => fate !== 'refused' || ms === 0));
    const done = outcomes.filter(({ inTime }) => inTime).length / spanMs / lanes;
    assert.ok(done > 0.9 * CAPACITY, `${done} of ${CAPACITY} a ms`);
  }
});

test('a policy that lets all in is caught by the same check', () => {
  const arrivals = poisson(2 * CAPACITY, 5000, 1);
  const { outcomes } = simulate(arrivals, { ...options, policy: { kind: 'fixed', delayMs: 0 } });
  assert.ok(share(outcomes, ({ inTime }) => inTime) < 0.5);
});

test('below what the machine can do nobody is refused who could be served', () => {
  const { outcomes } = simulate(poisson(0.5 * CAPACITY, 10_000, 2), { ...options, policy: { kind: 'slo' } });
  assert.ok(share(outcomes, ({ inTime }) => inTime) > 0.995);
});

test('after stalls it goes on: whoever would only come late is given up, those after are in time', () => {
  const stalling = (n: number, random: Random) => service(n, random) * (random.uniform() < 0.01 ? 12 : 1);
  const { outcomes } = simulate(poisson(0.4 * CAPACITY, 20_000, 3), {
    ...options,
    service: stalling,
    policy: { kind: 'slo' },
  });
  const half = outcomes.slice(10_000);
  assert.ok(share(half, ({ inTime }) => inTime) > 0.8, `${share(half, ({ inTime }) => inTime)}`);
});

test('under overload the urgent are answered, and the others are not starved for ever', () => {
  const arrivals = poisson(1.5 * CAPACITY, 20_000, 4, (random) =>
    random.uniform() < 0.3 ? { priority: 1 } : { within: 10 * GOAL },
  );
  const { outcomes } = simulate(arrivals, { ...options, policy: { kind: 'slo', goalMs: GOAL } });
  const urgent = outcomes.filter((_, i) => arrivals[i]!.priority === 1);
  const patient = outcomes.filter((_, i) => arrivals[i]!.priority === undefined);
  assert.ok(share(urgent, ({ inTime }) => inTime) > 0.85, `${share(urgent, ({ inTime }) => inTime)}`);
  assert.ok(share(patient, ({ inTime }) => inTime) > 0.3, `${share(patient, ({ inTime }) => inTime)}`);
});

test('compute is saved where it is preferred, within the deadlines', () => {
  const arrivals = poisson(0.3 * CAPACITY, 10_000, 5);
  const [latency, compute] = (['latency', 'compute'] as const).map((prefer) =>
    simulate(arrivals, { ...options, policy: { kind: 'slo', prefer } }),
  );
  assert.ok(compute!.busyMs < 0.8 * latency!.busyMs, `${compute!.busyMs} ${latency!.busyMs}`);
  assert.ok(share(compute!.outcomes, ({ inTime }) => inTime) > 0.99);
});

test('requests of several samples and of mixed deadlines are each settled once', () => {
  const arrivals = poisson(0.6 * CAPACITY, 8000, 6, (random) => ({
    samples: 1 + random.below(8) * random.below(2),
    within: GOAL * (0.5 + 3 * random.uniform()),
    priority: 1 + random.below(3),
  }));
  const { outcomes, repeated } = simulate(arrivals, { ...options, lanes: 2, policy: { kind: 'slo' } });
  assert.equal(repeated, 0);
  assert.equal(outcomes.filter((one) => one === undefined).length, 0);
  const admitted = outcomes.filter(({ fate }) => fate !== 'refused');
  assert.ok(share(admitted, ({ inTime }) => inTime) > 0.98);
});
