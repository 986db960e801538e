import assert from 'node:assert/strict';
import { test } from 'node:test';
import { convModel, countingModel, countTo } from '../../test/run-models.ts';
import { ModicumError } from '../base/index.ts';
import { Tensor } from '../graph/index.ts';
import { executedGraph } from './executed-graph.ts';
import { ProfileSums } from './profile-events.ts';
import { profileNodes } from './profile-nodes.ts';

const node = (name: string, ts: number, dur: number, op = 'Conv', place = 0): string =>
  `{"cat" : "Node","pid" :1,"tid" :1,"dur" :${dur},"ts" :${ts},"ph" : "X","name" :"${name}_kernel_time","args" : {"op_name" : "${op}","provider" : "CPUExecutionProvider","node_index" : "${place}","input_type_shape" : [{"float":[1,2]}]}},`;
const run = (ts: number, dur: number): string =>
  `{"cat" : "Session","pid" :1,"tid" :1,"dur" :${dur},"ts" :${ts},"ph" : "X","name" :"model_run","args" : {}},`;

function sumsOf(warmup: number, ...lines: string[]): ProfileSums {
  const sums = new ProfileSums(warmup);
  for (const line of ['[', ...lines, ']']) sums.addLine(line);
  return sums;
}

test('means are per run, warm-up left out', () => {
  const sums = sumsOf(
    1,
    node('a', 0, 1000),
    node('b', 1000, 500),
    run(0, 1500),
    node('a', 2000, 10),
    node('b', 2010, 30),
    run(2000, 45),
    node('a', 3000, 20),
    node('b', 3020, 40),
    run(3000, 65),
  );
  assert.equal(sums.runs, 2);
  const provider = 'CPUExecutionProvider';
  assert.deepEqual(sums.times(), [
    { name: 'a', op: 'Conv', provider, microseconds: 15, share: 0.3, count: 2 },
    { name: 'b', op: 'Conv', provider, microseconds: 35, share: 0.7, count: 2 },
  ]);
});

test('nodes on a GPU have the time of their programs, told after the runs, not of queueing them', () => {
  const queued = (name: string, ts: number, dur: number) =>
    node(name, ts, dur).replace('CPUExecutionProvider', 'WebGpuExecutionProvider');
  const program = (name: string, dur: number) =>
    `{"cat" : "Api","pid" :-1,"tid" :-1,"dur" :${dur},"ts" :9,"ph" : "X","name" :"${name}","args" : {}},`;
  const sums = sumsOf(
    1,
    ...[0, 1000, 2000].flatMap((ts) => [
      queued('a', ts, 90),
      queued('view', ts + 90, 8),
      node('b', ts + 98, 2),
      run(ts, 100),
    ]),
    // The first run also prepares the weights.
    program('a&Conv&Transpose', 7),
    program('a&Conv&Conv2d', 500),
    program('a&Conv&Conv2d', 20),
    program('a&Conv&Conv2d', 30),
  );
  assert.deepEqual(
    sums.times().map(({ name, microseconds }) => [name, microseconds]),
    [
      ['a', 25],
      ['view', 0],
      ['b', 2],
    ],
  );
});

test('time of nodes in a subgraph is not counted twice', () => {
  const sums = sumsOf(
    0,
    node('inner', 12, 20, 'Add', 1),
    node('inner', 40, 25, 'Add', 1),
    node('loop', 10, 60, 'Loop', 0),
    node('inner', 80, 7, 'Add', 5),
    run(0, 100),
  );
  assert.deepEqual(
    sums.times().map(({ name, microseconds, count }) => [name, microseconds, count]),
    [
      ['loop', 15, 1],
      ['inner', 45, 2],
      ['inner', 7, 1],
    ],
  );
});

test('a file that was cut off, and lines that make no sense, are passed over', () => {
  const sums = sumsOf(
    0,
    node('a', 0, 10),
    run(0, 12),
    'nonsense',
    '{"cat" : "Node"},',
    '{"cat" : 5, "name": {}, "ts": "x"},',
    node('bad "quotes"', 15, 10),
    node('a', 20, 99),
    node('a', 130, 99).slice(0, 60),
  );
  assert.equal(sums.runs, 1);
  assert.deepEqual(
    sums.times().map(({ name, microseconds }) => [name, microseconds]),
    [['a', 10]],
  );
});

test('every node of the executed graph is timed, and nothing else', async () => {
  const model = convModel();
  const x = Tensor.float32([1, 3, 16, 16], new Float32Array(768).fill(1));
  const settings = { level: 'extended', threads: 1 } as const;
  const times = await profileNodes(model, { x }, settings, { runs: 20, warmup: 3 });
  const executed = await executedGraph(model, settings);
  assert.deepEqual(
    times.map(({ name, op }) => `${name} ${op}`),
    executed.graph.nodes.map(({ name, op }) => `${name} ${op}`),
  );
  for (const time of times) {
    assert.equal(time.count, 20);
    assert.equal(time.provider, 'CPUExecutionProvider');
    assert.ok(time.microseconds >= 0 && time.share >= 0 && time.share <= 1);
  }
  assert.ok(Math.abs(times.reduce((sum, time) => sum + time.share, 0) - 1) < 1e-9);
  assert.ok(times.some((time) => time.microseconds > 0));
});

test('a loop of the model counts its inner nodes once each turn', async () => {
  const times = await profileNodes(countingModel(), [countTo(50)], { threads: 1 }, { runs: 4 });
  assert.equal(times.find((time) => time.op === 'Add')?.count, 4 * 50);
  assert.equal(times.find((time) => time.op === 'Loop')?.count, 4);
});

test('feeds that do not fit are refused', async () => {
  const mismatch = (error: unknown) => error instanceof ModicumError && error.code === 'FEED_MISMATCH';
  await assert.rejects(profileNodes(convModel(), {}, {}), mismatch);
  await assert.rejects(profileNodes(convModel(), [], {}), mismatch);
});
