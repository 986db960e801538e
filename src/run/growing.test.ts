import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseText, Tensor } from '../graph/index.ts';
import { openGrowing } from './growing.ts';

/** Keeps what it is given, [batch, 2, places, 1], and answers its sum. */
const KEEP =
  parseText(`<ir_version: 10, opset_import: ["" : 21]> g (float[B, 2, S, 1] x, float[B, 2, P, 1] past)
  => (float[B, 2, T, 1] present, float[] total) { present = Concat<axis=2>(past, x) total = ReduceSum<keepdims=0>(present) }`);
const open = () => openGrowing(KEEP, { carry: { past: 'present' }, axis: 2, capacity: 5 });
const x = (dims: number[], ...values: number[]) => ({ x: Tensor.float32(dims, values) });
const total = async (answer: Promise<Record<string, Tensor>>) => (await answer).total!.numbers()[0];

test('values grow where they are, and are cut again', async () => {
  const session = await open();
  assert.deepEqual(
    [session.inputs.map((p) => p.name), session.outputs.map((p) => p.name)],
    [['x'], ['total']],
  );
  await assert.rejects(session.step(x([1, 2, 1, 1], 1, 2), 1), { code: 'USAGE_BAD_OPTION' });
  await session.reset(1);
  const sums = await Promise.all([
    total(session.step(x([1, 2, 2, 1], 1, 2, 10, 20), 2)),
    total(session.step(x([1, 2, 1, 1], 4, 40), 1)),
  ]);
  assert.deepEqual(sums, [33, 77]);
  assert.equal(session.length, 3);
  await session.truncate(1);
  assert.equal(await total(session.step(x([1, 2, 1, 1], 100, 1000), 1)), 1111);
  await assert.rejects(session.step(x([1, 2, 4, 1], 1, 1, 1, 1, 1, 1, 1, 1), 4), { code: 'CONTEXT_FULL' });
  await session.reset(2);
  assert.equal(await total(session.step(x([2, 2, 1, 1], 1, 2, 3, 4), 1)), 10);
  await assert.rejects(session.truncate(2), { code: 'USAGE_BAD_OPTION' });
  await session.dispose();
  await assert.rejects(session.reset(1), { code: 'SESSION_CLOSED' });
});

test('a step that fails leaves nothing to go on with', async () => {
  const session = await open();
  await session.reset(1);
  // It says one place more than it brings.
  await assert.rejects(session.step(x([1, 2, 1, 1], 1, 2), 2), { code: 'RUNTIME_FAILED' });
  await assert.rejects(session.step(x([1, 2, 1, 1], 1, 2), 1), { code: 'USAGE_BAD_OPTION' });
  await session.reset(1);
  assert.equal(await total(session.step(x([1, 2, 1, 1], 1, 2), 1)), 3);
  await session.dispose();
  const wrong = openGrowing(KEEP, { carry: { past: 'gone' }, axis: 2, capacity: 1 });
  await assert.rejects(wrong, { code: 'USAGE_BAD_OPTION', message: /gone/ });
});
