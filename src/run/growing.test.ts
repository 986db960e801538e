import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseText, Tensor } from '../graph/index.ts';
import { type GrowingSession, openGrowing } from './growing.ts';
import { holdSource } from './source.ts';

/** Keeps what it is given, [batch, 2, places, 1], and answers its sum. */
const KEEP =
  parseText(`<ir_version: 10, opset_import: ["" : 21]> g (float[B, 2, S, 1] x, float[B, 2, P, 1] past)
  => (float[B, 2, T, 1] present, float[] total) { present = Concat<axis=2>(past, x) total = ReduceSum<keepdims=0>(present) }`);
const open = async (carry: Record<string, string> = { past: 'present' }) =>
  openGrowing((await holdSource(KEEP)).source, { carry, axis: 2, capacity: 5 });
const step = async (session: GrowingSession, dims: number[], ...values: number[]) =>
  (await session.step({ x: Tensor.float32(dims, values) }, dims[2]!)).total!.numbers()[0];

test('values grow where they are, and are cut again', async () => {
  const session = await open();
  assert.deepEqual(session.outputs, ['total']);
  await assert.rejects(step(session, [1, 2, 1, 1], 1, 2), { code: 'USAGE_BAD_OPTION' });
  session.reset(1);
  const sums = await Promise.all([
    step(session, [1, 2, 2, 1], 1, 2, 10, 20),
    step(session, [1, 2, 1, 1], 4, 40),
  ]);
  assert.deepEqual(sums, [33, 77]);
  assert.equal(session.length, 3);
  session.truncate(1);
  assert.equal(await step(session, [1, 2, 1, 1], 100, 1000), 1111);
  await assert.rejects(step(session, [1, 2, 4, 1], 1, 1, 1, 1, 1, 1, 1, 1), { code: 'CONTEXT_FULL' });
  session.reset(2);
  assert.equal(await step(session, [2, 2, 1, 1], 1, 2, 3, 4), 10);
  assert.throws(() => session.truncate(2), { code: 'USAGE_BAD_OPTION' });
  await session.dispose();
  await assert.rejects(step(session, [2, 2, 1, 1], 1, 2, 3, 4), { code: 'USAGE_BAD_OPTION' });
});

test('a step that fails leaves nothing to go on with', async () => {
  const session = await open();
  session.reset(1);
  // It says one place more than it brings.
  const wrong = session.step({ x: Tensor.float32([1, 2, 1, 1], [1, 2]) }, 2);
  await assert.rejects(wrong, { code: 'RUNTIME_FAILED' });
  await assert.rejects(step(session, [1, 2, 1, 1], 1, 2), { code: 'USAGE_BAD_OPTION' });
  session.reset(1);
  assert.equal(await step(session, [1, 2, 1, 1], 1, 2), 3);
  await session.dispose();
  await assert.rejects(open({ past: 'gone' }), { code: 'USAGE_BAD_OPTION', message: /gone/ });
});
