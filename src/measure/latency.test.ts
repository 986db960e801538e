import assert from 'node:assert/strict';
import { test } from 'node:test';
import { syntheticLooper } from '../../test/synthetic-looper.ts';
import { Random } from '../base/index.ts';
import { measureLatency } from './latency.ts';
import { findRecord } from './recorder.ts';
import { noiseOf, warmUp } from './windows.ts';

const machine = 'test';

test('percentiles, throughput and CPU time of a known distribution, with intervals that hold them', async () => {
  const random = new Random(3);
  // Exponential around 1 ms: quantiles are -ln(1 - p), mean 1.
  const looper = syntheticLooper(() => -Math.log(1 - random.uniform()));
  const {
    records,
    latencies,
    warmUp: warm,
  } = await measureLatency(looper, [{}], {
    seconds: 2,
    samplesPerRun: 4,
    machine,
    settings: { batch: 4 },
  });
  assert.ok(latencies.length > 1500 && warm.runs > 0);
  const truth = {
    'latency.mean': 1,
    'latency.p50': Math.LN2,
    'latency.p90': Math.log(10),
    'latency.p99': Math.log(100),
    throughput: 4000,
    'cpu.per-sample': 0.0005,
  };
  for (const [what, value] of Object.entries(truth)) {
    const record = findRecord(records, what)!;
    const { low, high } = record.interval!;
    assert.ok(low <= record.value && record.value <= high, `${what}: ${record.value} in ${low}..${high}`);
    assert.ok(Math.abs(record.value / value - 1) < 0.2, `${what}: ${record.value} is near ${value}`);
    assert.equal(record.settings?.batch, 4);
    assert.equal(record.how, 'measured');
    assert.match(record.method, /runs back to back/);
    assert.equal(record.n, latencies.length);
  }
});

test('too few runs for a percentile are said, and no interval is claimed', async () => {
  const { records } = await measureLatency(
    syntheticLooper(() => 10),
    [{}],
    { seconds: 0.5, machine },
  );
  const p99 = findRecord(records, 'latency.p99')!;
  assert.equal(p99.interval, undefined);
  assert.match(p99.method, /too few, 368 are needed/);
  const p90 = findRecord(records, 'latency.p90')!;
  assert.notEqual(p90.interval, undefined);
  assert.match(p90.method, /MLPerf's early stopping would ask for 64 runs/);
});

test('the warm-up goes on until the runs are steady, and ends when they never are', async () => {
  // Each run is 1 % shorter than the one before, down to 1 ms.
  const settling = await warmUp(
    syntheticLooper((run) => Math.max(1, 5 * 0.99 ** run)),
    [{}],
    { window: 0.01 },
  );
  assert.equal(settling.steady, true);
  assert.ok(settling.median < 1.06, `ended at ${settling.median} ms`);
  let window = 0;
  const restless = syntheticLooper(() => (window++ % 2 === 0 ? 10 : 20));
  const never = await warmUp(restless, [{}], { window: 0.001, atMost: 0.2 });
  assert.equal(never.steady, false);
  assert.ok(never.seconds < 0.25);
});

test('a machine that changes under the measurement is called noisy, with the rule', async () => {
  const windowsOf = async (cost: (window: number) => number) => {
    const windows = [];
    for (let i = 0; i < 10; i++) windows.push(await syntheticLooper(() => cost(i)).loop([{}], { runs: 20 }));
    return windows;
  };
  const noisy = noiseOf(await windowsOf((i) => (i % 2 === 0 ? 1 : 1.5)));
  assert.equal(noisy.noisy, true);
  assert.match(noisy.verdict, /noisy: the interquartile range .* above 10 %/);
  const quiet = noiseOf(await windowsOf((i) => 1 + i / 1000));
  assert.equal(quiet.noisy, false);
  assert.equal(noiseOf((await windowsOf(() => 1)).slice(0, 3)).dispersion, undefined);
});

test('an abort ends the measurement with its reason', async () => {
  const controller = new AbortController();
  controller.abort(new Error('enough'));
  await assert.rejects(
    measureLatency(
      syntheticLooper(() => 1),
      [{}],
      { machine, signal: controller.signal },
    ),
    /enough/,
  );
});
