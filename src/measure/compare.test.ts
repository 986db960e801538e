import assert from 'node:assert/strict';
import { test } from 'node:test';
import { syntheticLooper } from '../../test/synthetic-looper.ts';
import { Random } from '../base/index.ts';
import { comparePaired, verdictOf } from './compare.ts';
import type { Looper } from './loop.ts';
import { sliceOf } from './rounds.ts';

const machine = 'test';

/** A machine that speeds up and slows down for all its sessions alike, by up to a half, over seconds. */
function restlessMachine(seed: number) {
  const random = new Random(seed);
  let clock = 0;
  return (milliseconds: number) =>
    syntheticLooper(() => {
      const drift = 1 + 0.5 * Math.sin(clock / 300);
      const latency = milliseconds * drift * (0.9 + 0.2 * random.uniform());
      clock += latency;
      return latency;
    });
}

// The clock of these loopers is computed, so `seconds` of real time never pass: `minRounds` decides.
const rounds = (count: number, seed: number) => ({
  seconds: 0,
  minRounds: count,
  slice: 0.03,
  seed,
  machine,
});

test('a model against itself: the interval of the ratio holds 1 about as often as its level says', async () => {
  const held = [0, 0, 0];
  const trials = 50;
  for (let seed = 1; seed <= trials; seed++) {
    const make = restlessMachine(seed);
    const { contestants } = await comparePaired(
      [
        { name: 'a', session: make(1), feeds: [{}] },
        { name: 'also a', session: make(1), feeds: [{}] },
      ],
      rounds(20, seed),
    );
    const [other] = contestants.slice(1);
    const holds = [other!.throughputRatio, other!.speedRatio, other!.latencyRatio].map(
      ({ interval }) => interval!.low <= 1 && 1 <= interval!.high,
    );
    for (const [i, one] of holds.entries()) if (one) held[i]!++;
  }
  for (const count of held) assert.ok(count >= 42, `held 1 in ${held} of ${trials}`);
});

test('a model 8 % slower is found to be slower on a machine that drifts by half', async () => {
  let found = 0;
  for (let seed = 1; seed <= 10; seed++) {
    const make = restlessMachine(seed);
    const { contestants, records } = await comparePaired(
      [
        { name: 'base', session: make(1), feeds: [{}] },
        { name: 'slow', session: make(1.08), feeds: [{}] },
      ],
      rounds(30, seed),
    );
    const slow = contestants[1]!;
    assert.ok(Math.abs(slow.latencyRatio.value - 1.08) < 0.05);
    assert.ok(slow.latencyRatio.interval!.low <= slow.latencyRatio.value);
    assert.ok(slow.latencyRatio.value <= slow.latencyRatio.interval!.high);
    if (slow.verdict === 'slower') found++;
    assert.notEqual(slow.verdict, 'faster');
    assert.equal(records.filter(({ what }) => what.endsWith('.ratio')).length, 4);
  }
  assert.ok(found >= 9, `found in ${found} of 10`);
});

test('throughput and CPU time count samples, latency counts runs', async () => {
  const { contestants } = await comparePaired(
    [
      { name: 'one', session: syntheticLooper(() => 1), feeds: [{}] },
      { name: 'batch of 8', session: syntheticLooper(() => 2), feeds: [{}], samplesPerRun: 8 },
    ],
    rounds(6, 1),
  );
  const batched = contestants[1]!;
  assert.ok(Math.abs(batched.latencyRatio.value - 2) < 1e-9);
  assert.ok(Math.abs(batched.throughputRatio.value - 4) < 1e-9);
  assert.ok(Math.abs(batched.cpuRatio.value - 0.25) < 1e-9);
  assert.ok(Math.abs(batched.throughput.value - 4000) < 1e-6);
  assert.equal(batched.verdict, 'faster');
  assert.equal(contestants[0]!.verdict, 'unclear');
  assert.equal(batched.throughputRatio.settings?.against, 'one');
});

test('the contestants take turns in an order that the seed decides and that no one always leads', async () => {
  const orders: string[] = [];
  for (const seed of [1, 1, 2]) {
    let order = '';
    const spy = (name: string): Looper => {
      const inner = syntheticLooper(() => 30);
      return {
        ...inner,
        loop(feeds, limits) {
          order += name;
          return inner.loop(feeds, limits);
        },
      };
    };
    await comparePaired(
      ['a', 'b', 'c'].map((name) => ({ name, session: spy(name), feeds: [{}] })),
      { ...rounds(12, seed), warmUpAtMost: 0 },
    );
    assert.match(order.slice(0, 3), /^abc$/, 'the warm-ups');
    const turns = order.slice(3).match(/.{3}/g)!;
    for (const turn of turns) assert.equal([...turn].sort().join(''), 'abc');
    for (const name of 'abc') assert.ok(turns.some((turn) => turn[0] === name));
    for (let i = 0; i < turns.length; i += 2) assert.equal([...turns[i]!].reverse().join(''), turns[i + 1]);
    orders.push(order);
  }
  assert.equal(orders[0], orders[1]);
  assert.notEqual(orders[0], orders[2]);
});

test('with fewer than six rounds the interval is the range, at the level that it has', async () => {
  const random = new Random(1);
  const session = () => syntheticLooper(() => 20 + random.uniform());
  const { contestants } = await comparePaired(
    [
      { name: 'a', session: session(), feeds: [{}] },
      { name: 'b', session: session(), feeds: [{}] },
    ],
    rounds(4, 1),
  );
  assert.equal(contestants[1]!.latencyRatio.interval?.level, 1 - 2 ** -3);
  assert.match(contestants[1]!.latencyRatio.interval!.method, /range of 4 rounds/);
});

test('the lead-in of a slice does not count: at least a run, the first 2 ms, at most a quarter', () => {
  const times = (latencies: number[]) => ({
    latencies: Float64Array.from(latencies),
    wallSeconds: latencies.reduce((sum, one) => sum + one, 0) / 1000,
    cpuSeconds: 1,
    runs: latencies.length,
  });
  assert.deepEqual([...sliceOf(times([9, 5, 5, 5])).latencies], [5, 5, 5]);
  assert.deepEqual([...sliceOf(times([9, 5, 5])).latencies], [9, 5, 5]);
  assert.equal(sliceOf(times(new Array(100).fill(0.1))).latencies.length, 80);
  assert.equal(sliceOf(times(new Array(20).fill(0.1))).latencies.length, 15);
  assert.ok(Math.abs(sliceOf(times([9, 5, 5, 5])).runsPerSecond - 200) < 1e-9);
});

test('the verdict follows whole intervals, and a slower throughput is never called faster', () => {
  const interval = (low: number, high: number) => ({ low, high, level: 0.95, method: '' });
  const [above, below, across] = [interval(1.03, 1.2), interval(0.8, 0.97), interval(0.99, 1.01)];
  assert.equal(verdictOf(above, above), 'faster');
  assert.equal(verdictOf(above, across), 'faster');
  assert.equal(verdictOf(above, below), 'unclear');
  assert.equal(verdictOf(below, across), 'slower');
  assert.equal(verdictOf(across, above), 'unclear');
  assert.equal(verdictOf(undefined, above), 'unclear');
  // A percent lies within what two copies of one model differ by.
  assert.equal(verdictOf(interval(0.98, 0.99), across), 'unclear');
  assert.equal(verdictOf(interval(1.005, 1.015), across), 'unclear');
  assert.equal(verdictOf(interval(0.98, 0.99), across, 0), 'slower');
});

test('runs during which the core was taken away do not decide', async () => {
  // A tenth of the runs takes fifty times as long, for both alike; one is 10 % slower.
  for (let seed = 1; seed <= 5; seed++) {
    const random = new Random(seed);
    const session = (base: number) =>
      syntheticLooper(() => base * (random.uniform() < 0.1 ? 50 : 1 + 0.01 * random.uniform()));
    const { contestants } = await comparePaired(
      [
        { name: 'a', session: session(0.1), feeds: [{}] },
        { name: 'b', session: session(0.11), feeds: [{}] },
      ],
      rounds(20, seed),
    );
    assert.equal(contestants[1]!.verdict, 'slower');
    assert.ok(Math.abs(contestants[1]!.latencyRatio.value - 1.1) < 0.02);
  }
});
