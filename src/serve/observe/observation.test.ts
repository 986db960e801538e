import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { fail } from '../../base/index.ts';
import type { Happened, Meter, Models, ServedState } from '../ports.ts';
import { type Observation, openObservation } from './observation.ts';
import type { LiveSecond } from './series.ts';

/** Models whose names, versions and queues a test sets; the observer asks nothing else of them. */
function standing(rows: { name: string; version: string }[], state: { queued: number }): Models {
  const served = (): ServedState => ({
    ready: true,
    queued: state.queued,
    inFlight: 2,
    instances: 1,
    curve: [{ batch: 1, mean: 3, high: 4, seen: 9 }],
    goalMs: 50,
    maxBatch: 8,
  });
  return {
    names: () => [...new Set(rows.map(({ name }) => name))],
    versions: (name) => rows.filter((row) => row.name === name).map(({ version }) => version),
    lease: (name, version = '1') => ({
      served: {
        name,
        version,
        platform: 'onnx',
        inputs: [],
        outputs: [],
        sampleAxis: {},
        metadata: new Map(),
        take: () => {
          throw fail('MODEL_NOT_READY', 'no requests here');
        },
        state: served,
      },
      release: () => {},
    }),
    ready: () => true,
    index: () => rows.map((row) => ({ ...row, state: 'READY', reason: '', share: 1 })),
  };
}

async function observed(t: TestContext, options: Parameters<typeof openObservation>[0] = {}) {
  const time = { ms: 1_800_000_000_000 };
  const lines: Record<string, unknown>[] = [];
  const observation = await openObservation({
    cores: 2,
    cpu: 'Abacus 3000',
    wattsPerCore: 10,
    price: 7.2,
    powercap: '/nowhere',
    env: {},
    clock: () => time.ms,
    ...options,
    log: { to: { write: (line) => lines.push(JSON.parse(line)) }, ...options.log },
  });
  t.after(() => observation.close());
  const state = { queued: 0 };
  const rows = [{ name: 'digits', version: '1' }];
  observation.watch(standing(rows, state));
  return { observation, time, lines, state, rows };
}

const METER: Meter = { version: '1', queueMs: 2, computeMs: 6, cpuSeconds: 0.004, batch: 4, samples: 2 };

function answered(over: Partial<Happened> = {}): Happened {
  return {
    protocol: 'rest',
    model: 'digits',
    version: '1',
    key: undefined,
    status: 200,
    totalMs: 10,
    bytesIn: 100,
    bytesOut: 50,
    meter: METER,
    startedAt: Date.now(),
    ...over,
  };
}

const refused = (over: Partial<Happened> = {}) =>
  answered({ status: 503, code: 'OVERLOADED', meter: undefined, totalMs: 0.2, ...over });

function batchOf(observation: Observation, size: number): void {
  observation.batch({ model: 'digits', version: '1', size, computeMs: 6, cpuSeconds: 0.008, queueMs: 2 });
}

/** The value of a line of the metrics; undefined where it is not there. */
function valueIn(body: string, name: string, labels: string[] = []): number | undefined {
  const line = body
    .split('\n')
    .find(
      (text) =>
        text.startsWith(name) &&
        /^[ {]/.test(text.slice(name.length)) &&
        labels.every((l) => text.includes(l)),
    );
  return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(' ') + 1));
}

test('metrics, series, headers and keys tell the same sums', async (t) => {
  const { observation, time, state } = await observed(t);
  state.queued = 7;
  for (let i = 0; i < 3; i++) observation.request(answered({ key: 'shop' }));
  observation.request(answered({ protocol: 'grpc', meter: { ...METER, exit: 1, cached: true } }));
  observation.request(refused({ key: 'shop' }));
  observation.request(refused({ status: 500, code: 'RUNTIME_FAILED' }));
  batchOf(observation, 4);
  batchOf(observation, 2);
  observation.tick();
  time.ms += 1000;

  const { body } = await observation.metrics.text();
  assert.equal(
    valueIn(body, 'modicum_requests_total', ['model="digits"', 'protocol="rest"', 'code="200"']),
    3,
  );
  assert.equal(valueIn(body, 'modicum_requests_total', ['protocol="grpc"', 'code="200"']), 1);
  assert.equal(valueIn(body, 'modicum_rejected_total', ['reason="OVERLOADED"']), 1);
  assert.equal(valueIn(body, 'modicum_queue_depth', ['model="digits"']), 7);
  assert.equal(valueIn(body, 'modicum_cpu_seconds_total', ['version="1"']), 0.016);
  assert.ok(Math.abs(valueIn(body, 'modicum_joules_total', ['method="watts-declared"'])! - 0.16) < 1e-9);
  assert.ok(Math.abs(valueIn(body, 'modicum_dollars_total')! - 0.016 / 1000) < 1e-12);
  assert.equal(valueIn(body, 'modicum_batch_size_count', ['model="digits"']), 2);
  assert.equal(valueIn(body, 'modicum_batch_size_bucket', ['le="2"']), 1);
  assert.equal(valueIn(body, 'modicum_request_duration_seconds_count', ['protocol="rest"']), 3);
  assert.equal(valueIn(body, 'modicum_cache_hits_total'), 1);
  assert.equal(valueIn(body, 'modicum_exits_total', ['stage="1"']), 2);
  assert.equal(valueIn(body, 'modicum_key_requests_total', ['key="shop"']), 4);
  assert.equal(valueIn(body, 'modicum_key_cpu_seconds_total', ['key="shop"']), 0.012);
  assert.equal(valueIn(body, 'nv_inference_request_success', ['model="digits"']), 4);
  assert.equal(valueIn(body, 'nv_inference_count'), 8);
  assert.equal(valueIn(body, 'modicum_price_dollars_per_hour'), 7.2);

  const series = observation.series();
  assert.equal(series.times.length, 900);
  assert.equal(series.times.at(-1), time.ms / 1000 - 1);
  const model = series.models[0]!;
  const last = <Row>(row: readonly Row[]) => row.at(-1);
  assert.deepEqual(
    [
      last(model.points.requests),
      last(model.points.ok),
      last(model.points.refused),
      last(model.points.failed),
    ],
    [6, 4, 1, 1],
  );
  assert.ok(Math.abs(last(model.points.p99)! - 10) <= 0.4);
  assert.deepEqual([last(model.points.batches), last(model.points.batchMean)], [2, 3]);
  assert.equal(last(model.points.queued), 7);
  assert.equal(last(model.points.joules), 0.16);
  assert.equal(model.points.p99[0], null);
  assert.deepEqual(model.exits.map(last), [0, 2]);
  assert.deepEqual(model.batchSizes, [
    { size: 2, batches: 1 },
    { size: 4, batches: 1 },
  ]);
  assert.deepEqual(model.reasons, [
    { code: 'OVERLOADED', requests: 1 },
    { code: 'RUNTIME_FAILED', requests: 1 },
  ]);
  assert.equal(
    model.latencies.reduce((sum, { requests }) => sum + requests, 0),
    4,
  );
  assert.equal(model.now.goalMs, 50);
  assert.deepEqual(series.keys[0], {
    key: 'shop',
    requests: 4,
    refused: 1,
    cpuSeconds: 0.012,
    joules: 0.12,
    dollars: 0.000012,
  });

  assert.deepEqual(observation.headers('digits', { ...METER, exit: 0 }), {
    'x-modicum-version': '1',
    'x-modicum-queue-ms': '2',
    'x-modicum-compute-ms': '6',
    'x-modicum-cpu-ms': '4',
    'x-modicum-batch': '4',
    'x-modicum-exit': '0',
    'x-modicum-joules': '0.04',
    'x-modicum-joules-method': 'watts-declared',
    'x-modicum-dollars': '0.000004',
  });
});

test('what is not known is not told as nought', async (t) => {
  const { observation, time } = await observed(t, { wattsPerCore: undefined, price: undefined });
  batchOf(observation, 1);
  observation.request(answered());
  time.ms += 1000;
  const { body } = await observation.metrics.text();
  assert.equal(valueIn(body, 'modicum_joules_total'), undefined);
  assert.equal(valueIn(body, 'modicum_dollars_total'), undefined);
  assert.equal(valueIn(body, 'modicum_price_dollars_per_hour'), undefined);
  const { models, server } = observation.series();
  assert.equal(models[0]!.points.joules.at(-1), null);
  assert.equal(models[0]!.total.dollars, null);
  assert.equal(server.energy.method, 'unknown');
  const headers = observation.headers('digits', METER);
  assert.equal(headers['x-modicum-joules'], undefined);
  assert.equal(headers['x-modicum-joules-method'], 'unknown');
});

test('names that clients make up, versions that come and go, and keys do not fill the memory', async (t) => {
  const { observation, rows } = await observed(t, { log: { level: 'silent' } });
  for (let i = 0; i < 500; i++) {
    observation.request(refused({ model: `no-such-${i}`, status: 404, code: 'MODEL_UNKNOWN' }));
    observation.request(refused({ version: `no-such-${i}` }));
  }
  for (let version = 2; version < 200; version++) {
    rows.splice(0, rows.length, { name: 'digits', version: String(version) });
    observation.request(
      answered({ version: String(version), meter: { ...METER, version: String(version) } }),
    );
    observation.tick();
  }
  for (let i = 0; i < 3000; i++) observation.request(answered({ key: `key-${i}` }));
  const { body } = await observation.metrics.text();
  assert.equal(valueIn(body, 'modicum_rejected_total', ['model="(unknown)"', 'reason="MODEL_UNKNOWN"']), 500);
  assert.ok(!body.includes('no-such'));
  const versions = new Set(
    [...body.matchAll(/nv_inference_count\{model="digits",version="(\d*)"\}/g)].map(([, v]) => v),
  );
  assert.ok(versions.size <= 17, `${versions.size} versions`);
  assert.ok(versions.has('199'));
  assert.equal([...body.matchAll(/^modicum_key_requests_total\{/gm)].length, 1001);
  assert.equal(valueIn(body, 'modicum_key_requests_total', ['key="(others)"']), 2000);
  assert.equal(observation.series().keys.length, 101);
});

test('points of several seconds merge what they hold and begin at multiples of the step', async (t) => {
  const { observation, time } = await observed(t);
  for (let second = 0; second < 25; second++) {
    for (let i = 0; i < 10; i++) observation.request(answered({ totalMs: second < 20 ? 10 : 100 }));
    time.ms += 1000;
  }
  const { times, models } = observation.series({ step: '10', seconds: '60' });
  assert.equal(times.length, 6);
  assert.ok(times.every((time) => time % 10 === 0));
  assert.deepEqual(models[0]!.points.requests, [0, 0, 0, 0, 100, 100]);
  time.ms += 10_000;
  const later = observation.series({ step: 10, seconds: 30 }).models[0]!;
  assert.deepEqual(later.points.requests, [100, 100, 50]);
  assert.ok(Math.abs(later.points.p50[2]! - 100) <= 4);
  time.ms += 1_000_000;
  assert.equal(
    observation.series().models[0]!.points.requests.some((n) => n > 0),
    false,
    'the ring forgets',
  );
  for (const odd of [{ step: 'x' }, { step: '-3', seconds: '1e99' }, { step: '600' }]) {
    assert.ok(observation.series(odd).times.length > 0, JSON.stringify(odd));
  }
});

test('those who listen get a second after it has ended; who reads nothing is cut off', async (t) => {
  const { observation, time } = await observed(t);
  const texts: string[] = [];
  const good = { writableLength: 0, write: (text: string) => texts.push(text), end: () => {} };
  let ended = false;
  const deaf = { writableLength: 1e9, write: () => assert.fail('written to'), end: () => (ended = true) };
  assert.ok(observation.live.add(good));
  assert.ok(observation.live.add(deaf));
  time.ms += 1000;
  observation.tick();
  texts.length = 0;
  observation.request(answered());
  observation.event('worker-died', { model: 'digits', pid: 7, error: new Error('killed') });
  time.ms += 400;
  observation.tick();
  assert.equal(texts.length, 0, 'the second is not over');
  time.ms += 600;
  observation.tick();
  assert.equal(texts.length, 1);
  assert.match(texts[0]!, /^event: second\ndata: .*\n\n$/);
  const second = JSON.parse(texts[0]!.split('data: ')[1]!) as LiveSecond;
  assert.equal(second.models[0]!.point.requests, 1);
  assert.deepEqual(second.events[0]?.facts, { model: 'digits', pid: 7, error: 'killed' });
  assert.ok(ended);
  assert.equal(observation.live.size, 1);
});

test('events are counted, and kept as text that is safe to show', async (t) => {
  const { observation, lines } = await observed(t);
  observation.event('worker-died', { model: 'digits', error: new Error('signal SIGKILL') });
  observation.event('model-load-failed', {
    model: 'digits',
    data: new Float32Array(3),
    long: 'x'.repeat(9999),
  });
  for (let i = 0; i < 200; i++) observation.event(`odd-${i}`, {});
  const { body } = await observation.metrics.text();
  assert.equal(valueIn(body, 'modicum_worker_restarts_total', ['model="digits"']), 1);
  assert.equal(valueIn(body, 'modicum_reloads_total', ['outcome="failed"']), 1);
  assert.ok([...body.matchAll(/^modicum_events_total\{/gm)].length <= 65);
  assert.equal(observation.series().events.length, 100);
  assert.equal(lines[1]?.data, '12 bytes');
  assert.ok(String(lines[1]?.long).length < 600);
  assert.equal(lines[0]?.level, 'warn');
});

test('an unknown region or price is refused', async () => {
  await assert.rejects(openObservation({ region: 'atlantis', env: {} }), { code: 'PRICE_UNKNOWN' });
  await assert.rejects(openObservation({ price: 'abacus.large', env: {} }), { code: 'PRICE_UNKNOWN' });
});
