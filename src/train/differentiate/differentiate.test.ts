import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseText, Tensor as T, type Tensor } from '../../graph/index.ts';
import { openSession } from '../../run/index.ts';
import { Composer } from '../composer.ts';
import { differentiate } from './differentiate.ts';

const HEAD = '<ir_version: 10, opset_import: ["" : 21]>';

async function gradientsOf(text: string, feeds: Record<string, Tensor>, wrt: string[]) {
  const model = parseText(`${HEAD} ${text}`);
  const to = new Composer(model, Object.fromEntries(Object.entries(feeds).map(([n, t]) => [n, t.dims])));
  const found = differentiate(to, model.graph.outputs[0]!.name, wrt);
  for (const [name, gradient] of found) to.output(gradient, `d.${name}`);
  const session = await openSession(model);
  const out = await session.run(feeds);
  await session.dispose();
  return out;
}

test('what is used twice sums its gradients, what is broadcast is summed back', async () => {
  const x = T.float32([2, 3], [1, 2, 3, 4, 5, 6]);
  const b = T.float32([3], [10, 20, 30]);
  const text = `g (float[2,3] x, float[3] b) => (float[] y) {
    p = Mul(x, x)  q = Mul(p, b)  axes = Constant<value_ints=[0, 1]>() y = ReduceSum<keepdims=0>(q, axes) }`;
  const out = await gradientsOf(text, { x, b }, ['x', 'b']);
  assert.deepEqual(out['d.x']!.numbers(), [20, 80, 180, 80, 200, 360]);
  assert.deepEqual(out['d.b']!.numbers(), [17, 29, 45]);
});

test('operators without a rule are named, all of them at once', async () => {
  const text = `g (float[2,2] x) => (float[] y) {
    a = Det(x) b = Shrink(x) k = Constant<value_ints=[0, 1]>() c = ReduceSum<keepdims=0>(b, k) y = Add(a, c) }`;
  await assert.rejects(gradientsOf(text, { x: T.float32([2, 2], [1, 2, 3, 4]) }, ['x']), {
    code: 'TRAIN_NO_GRADIENT',
    message: /Det \(1: .*\); Shrink \(1: /,
  });
});
