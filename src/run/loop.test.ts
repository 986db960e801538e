import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addModel, countingModel, countTo, reshapeModel } from '../../test/run-models.ts';
import { ModicumError } from '../base/index.ts';
import { Tensor } from '../graph/index.ts';
import { openSession } from './open-session.ts';

const code = (wanted: string) => (error: unknown) => error instanceof ModicumError && error.code === wanted;
const median = (values: Float64Array): number => values.slice().sort()[values.length >> 1]!;
const x = Tensor.float32([1, 2], [1, 2]);

test('a loop makes exactly the runs asked for, in all instances together', async () => {
  for (const instances of [1, 3]) {
    const session = await openSession(addModel([1, 2]), { instances, threads: 1 });
    const result = await session.loop([{ x }], { runs: 2500 });
    assert.equal(result.runs, 2500);
    assert.equal(result.latencies.length, 2500);
    assert.ok(result.latencies.every((latency) => latency > 0));
    const sum = result.latencies.reduce((a, b) => a + b, 0);
    assert.ok(sum <= result.wallSeconds * 1000 * instances, 'runs of one instance do not overlap');
    assert.ok(result.cpuSeconds > 0);
    await session.dispose();
  }
});

test('a loop lasts for the seconds asked for', async () => {
  const session = await openSession(countingModel(), { threads: 1 });
  const { latencies, wallSeconds, runs } = await session.loop([countTo(100)], { seconds: 0.2 });
  const last = latencies.at(-1)! / 1000;
  // It ends with the first run that passes the limit; the rest is for a machine that is busy with other things.
  assert.ok(wallSeconds >= 0.2 && wallSeconds - last < 2, `${wallSeconds}`);
  assert.ok(runs > 1);
  await session.dispose();
});

test('feeds take turns, and what costs more shows in its latencies', async () => {
  const session = await openSession(countingModel(), { threads: 1 });
  const { latencies } = await session.loop([countTo(1), countTo(20_000)], { runs: 40 });
  const short = latencies.filter((_, i) => i % 2 === 0);
  const long = latencies.filter((_, i) => i % 2 === 1);
  assert.ok(median(long) > 10 * median(short), `${median(long)} ${median(short)}`);
  await session.dispose();
});

test('calls made during a loop wait for its end, and loops for each other', async () => {
  const session = await openSession(addModel([1, 2]), { instances: 2, threads: 1 });
  const order: string[] = [];
  await Promise.all([
    session.run({ x }).then(() => order.push('before')),
    session.loop([{ x }], { seconds: 0.1 }).then(() => order.push('first')),
    session.loop([{ x }], { runs: 10 }).then(() => order.push('second')),
    // In the queue while the first loop waits for quiet: computed between the loops.
    new Promise((resolve) => setTimeout(resolve, 30))
      .then(() => session.run({ x }))
      .then(({ y }) => {
        assert.deepEqual(y?.numbers(), [2, 4]);
        order.push('during');
      }),
  ]);
  assert.equal(order[0], 'before');
  assert.ok(order.indexOf('first') < order.indexOf('second'));
  assert.ok(order.indexOf('first') < order.indexOf('during'));
  await session.dispose();
});

test('what fails in a loop ends it in all instances, and the session lives on', async () => {
  const session = await openSession(reshapeModel(), { instances: 2, threads: 1 });
  const good = { x: Tensor.float32([1, 4], [1, 2, 3, 4]), s: Tensor.int64([2], [2, 2]) };
  const bad = { ...good, s: Tensor.int64([2], [3, 3]) };
  await assert.rejects(session.loop([good, good, bad], { seconds: 60 }), code('RUNTIME_FAILED'));
  await assert.rejects(session.loop([good, { x: good.x }], { runs: 1 }), code('FEED_MISMATCH'));
  await assert.rejects(session.loop([], { runs: 1 }), code('FEED_MISMATCH'));
  assert.deepEqual((await session.run(good)).y?.dims, [2, 2]);
  await session.dispose();
});

test('a signal and dispose end a loop early', async () => {
  const session = await openSession(addModel([1, 2]), { instances: 2, threads: 1 });
  const start = performance.now();
  const signal = AbortSignal.timeout(50);
  await assert.rejects(session.loop([{ x }], { seconds: 60, signal }), { name: 'TimeoutError' });
  assert.deepEqual((await session.run({ x })).y?.numbers(), [2, 4]);
  const loop = assert.rejects(session.loop([{ x }], { seconds: 60 }), code('SESSION_CLOSED'));
  await new Promise((resolve) => setTimeout(resolve, 50));
  await session.dispose();
  await loop;
  assert.ok(performance.now() - start < 20_000);
});
