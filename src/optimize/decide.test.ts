import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Model } from '../graph/index.ts';
import { makeGraph, makeModel } from '../graph/index.ts';
import { type Drop, type Evaluation, metricByName } from '../measure/index.ts';
import { chooseAmong, finalistsOf, riskOf } from './decide.ts';
import { makeGoal } from './goal.ts';
import { speedObjection } from './objective.ts';
import { defaultRunSettings } from './settings.ts';
import type { Timing, Variant } from './variant.ts';

const goal = makeGoal({ metric: 'top1', maxDrop: 1 });
const model = makeModel(makeGraph({ inputs: [], outputs: [], nodes: [] }));
const pace = { throughput: 100, latency: 10, cpuPerSample: 0.01, p99: 12 };

const loss = (value: number, high = value): Drop => ({
  value,
  n: 500,
  differing: 0,
  interval: { low: value, high, level: 0.95, method: 'made' },
});

const accuracy = (value: number): Evaluation => ({
  value,
  interval: { low: value - 1, high: value + 1, level: 0.95, method: 'made' },
  rows: new Float64Array(0),
  n: 500,
  nonFinite: 0,
  record: {
    what: 'accuracy.top1',
    value,
    unit: '%',
    how: 'measured',
    method: 'made',
    n: 500,
    machine: 'm',
    at: '2026-01-01T00:00:00Z',
  },
});

/** `times` as fast as given, in throughput, CPU and latency alike, known within 2 %. */
const timing = (times: number): Timing => {
  const near = (value: number) => ({ value, low: value * 0.98, high: value * 1.02 });
  return {
    given: pace,
    throughput: near(times),
    cpu: near(1 / times),
    latency: near(1 / times),
    p99: 12 / times,
  };
};

const variant = (id: string, times: number, drop: Drop, more: Partial<Variant> = {}): Variant => ({
  id,
  title: id,
  recipe: [],
  model: { ...model },
  bytes: 1000,
  faithful: false,
  notes: [],
  settings: defaultRunSettings(1),
  drop,
  noise: 0.1,
  timing: timing(times),
  status: 'dominated',
  why: '',
  ...more,
});

const baseline = variant('as given', 1, loss(0), { status: 'baseline', faithful: true });

/** What the held-out part would show, by variant; `asked` remembers who was tested. */
function judge(shown: Record<string, Drop>, asked: string[] = []) {
  return {
    asked,
    metric: metricByName('top1'),
    async evaluate(_model: Model, part: 'search' | 'heldOut', name: string) {
      assert.equal(part, 'heldOut');
      asked.push(name);
      return { evaluation: accuracy(90 - shown[name]!.value), drop: shown[name]! };
    },
  };
}

test('the last that holds on the held-out part is chosen; nothing is tested past the first that fails', async () => {
  const clean = variant('clean', 1.5, loss(0), { faithful: true });
  const safe = variant('safe', 3, loss(0.1));
  const risky = variant('risky', 4, loss(0.5));
  const wild = variant('wild', 5, loss(0.9));
  const finalists = finalistsOf([wild, safe, clean, risky], goal);
  assert.deepEqual(
    finalists.map(({ id }) => id),
    ['clean', 'safe', 'risky', 'wild'],
  );
  const one = judge({ clean: loss(0), safe: loss(0.2, 0.8), risky: loss(0.6, 1.4), wild: loss(0) });
  assert.equal((await chooseAmong(finalists, baseline, goal, one))?.id, 'safe');
  assert.deepEqual(one.asked, ['clean', 'safe', 'risky']);
  assert.deepEqual(
    finalists.map(({ status }) => status),
    ['front', 'chosen', 'rejected', 'rejected'],
  );
  assert.match(risky.why, /may lose 1\.40 points.*500 held-out samples cannot show less/);
  assert.match(wild.why, /safer variant already failed/);
});

test('the interval decides about accuracy, not the point; none that holds means none chosen', async () => {
  const only = variant('only', 3, loss(0.2));
  assert.equal(await chooseAmong([only], baseline, goal, judge({ only: loss(0.2, 1.01) })), undefined);
  assert.equal(only.status, 'rejected');
});

test('a variant without a sure gain is never tested on the held-out part', async () => {
  const slow = variant('slow', 0.8, loss(0));
  const even = variant('even', 1.01, loss(0));
  const unknown = variant('unknown', 2, loss(0), { timing: undefined });
  const one = judge({});
  assert.equal(await chooseAmong([slow, even, unknown], baseline, goal, one), undefined);
  assert.deepEqual(one.asked, []);
  assert.match(slow.why, /slower than the model as given \(0\.80 times/);
  assert.match(even.why, /no gain in cost is sure/);
  assert.match(unknown.why, /not measured/);
});

test('every objective wants its own sure gain, and bounds of the goal hold', () => {
  const small = variant('small', 1.01, loss(0), { bytes: 900 });
  assert.equal(speedObjection(small, baseline, makeGoal({ metric: 'top1', minimize: 'size' })), undefined);
  const same = variant('same', 3, loss(0));
  assert.match(
    speedObjection(same, baseline, makeGoal({ metric: 'top1', minimize: 'size' }))!,
    /not smaller/,
  );
  for (const minimize of ['latency', 'energy', 'cost'] as const) {
    const wanted = makeGoal({ metric: 'top1', minimize });
    assert.equal(speedObjection(same, baseline, wanted), undefined);
    assert.match(speedObjection(small, baseline, wanted)!, /no gain/);
  }
  assert.match(speedObjection(same, baseline, makeGoal({ metric: 'top1', maxBytes: 999 }))!, /1000 bytes/);
  assert.match(speedObjection(same, baseline, makeGoal({ metric: 'top1', p99: 3.9 }))!, /4\.00 ms passes/);
});

test('a least value must be reached surely', async () => {
  const high = makeGoal({ metric: 'top1', minValue: 89.5 });
  const only = variant('only', 3, loss(0));
  assert.equal(await chooseAmong([only], baseline, high, judge({ only: loss(0) })), undefined);
  assert.match(only.why, /90\.00 points is not surely past 89\.5/);
});

test('risk: none for the faithful, all for the unknown, and what moves the outputs more is riskier', () => {
  assert.equal(riskOf(variant('a', 1, loss(3), { faithful: true }), goal), 0);
  assert.equal(riskOf(variant('b', 1, loss(0), { drop: undefined }), goal), Number.POSITIVE_INFINITY);
  assert.ok(riskOf(variant('c', 1, loss(0), { noise: 0.3 }), goal) > riskOf(variant('d', 1, loss(0)), goal));
});

test('few finalists: the safest and the cheapest of many, none over the drop', () => {
  const many = Array.from({ length: 12 }, (_, i) => variant(`v${i}`, 1.2 + i, loss(i * 0.09)));
  const finalists = finalistsOf([...many, variant('over', 99, loss(1.1))], goal);
  assert.deepEqual(
    finalists.map(({ id }) => id),
    ['v0', 'v8', 'v9', 'v10', 'v11'],
  );
});
