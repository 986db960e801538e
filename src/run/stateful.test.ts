import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseText, Tensor } from '../graph/index.ts';
import { openStateful } from './stateful.ts';

const SUM = parseText(`<ir_version: 10, opset_import: ["" : 21]> g (float[2] x, float[2] total)
  => (float[2] more, float[] check) { more = Add(x, total) k = Constant<value_ints=[0]>() check = ReduceSum<keepdims=0>(more, k) }`);
const x = (...values: number[]) => ({ x: Tensor.float32([2], values) });
const open = (guard?: string) =>
  openStateful(SUM, { carry: { total: 'more' }, initial: { total: Tensor.float32([2], [0, 10]) }, guard });

test('what is kept goes from step to step, in the order of the calls', async () => {
  const session = await open();
  assert.deepEqual(
    [session.inputs.map((p) => p.name), session.outputs.map((p) => p.name)],
    [['x'], ['check']],
  );
  const sums = await Promise.all(
    [1, 2, 3, 4].map(async (n) => (await session.step(x(n, n))).check!.numbers()[0]),
  );
  assert.deepEqual(sums, [12, 16, 22, 30]);
  const { total } = await session.kept();
  assert.deepEqual(total!.numbers(), [10, 20]);
  await session.step(x(1, 1));
  assert.deepEqual(total!.numbers(), [10, 20], 'a copy');
  await session.dispose();
  await assert.rejects(session.step(x(1, 1)), { code: 'SESSION_CLOSED' });
});

test('a step that the guard finds not finite leaves what is kept, and is the last', async () => {
  const session = await open('check');
  await session.step(x(1, 2));
  const { check } = await session.step(x(Number.NaN, 0));
  assert.ok(Number.isNaN(check!.numbers()[0]));
  assert.deepEqual((await session.kept()).total!.numbers(), [1, 12]);
  await assert.rejects(session.step(x(1, 1)), { code: 'RUNTIME_FAILED', message: /check/ });
  await session.dispose();
});

test('wrong feeds and names are refused', async () => {
  const session = await open();
  await assert.rejects(session.step({}), { code: 'FEED_MISMATCH' });
  await session.dispose();
  const wrong = openStateful(SUM, { carry: { sum: 'more' }, initial: {} });
  await assert.rejects(wrong, { code: 'USAGE_BAD_OPTION' });
});
