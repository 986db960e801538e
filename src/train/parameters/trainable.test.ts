import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Model, parseText, Tensor } from '../../graph/index.ts';
import { Layout } from './layout.ts';
import { trainableWeights } from './trainable.ts';

/** A model of these nodes, with float initializers of these shapes. */
function modelOf(nodes: string, weights: Record<string, number[]>, shape = 'n, 4'): Model {
  const model = parseText(
    `<ir_version: 10, opset_import: ["" : 17]> g (float[${shape}] x) => (y) { ${nodes} }`,
  );
  for (const [name, dims] of Object.entries(weights)) {
    model.graph.initializers.set(
      name,
      Tensor.float32(dims, new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(0.5)),
    );
  }
  return model;
}

test('weights, biases and learned scales, and neither numbers of formulas nor the preparation of inputs', () => {
  const model = modelOf(
    `c = Sub(x, mean) d = Div(c, deviation) w3 = Transpose(w) h = MatMul(d, w3) a = Add(h, bias) half = Mul(a, k) l = Mul(half, gain) y = LayerNormalization(l, scale, shift)`,
    { mean: [4], deviation: [4], w: [4, 4], bias: [4], k: [], gain: [4], scale: [4], shift: [4] },
  );
  assert.deepEqual(trainableWeights(model), ['w', 'bias', 'gain', 'scale', 'shift']);
});

test('convolutions and their normalizations, not running statistics; tables that are looked up', () => {
  const nodes = 'a = Conv(x, w, b) y = BatchNormalization(a, scale, shift, mean, variance)';
  const weights = { w: [4, 3, 3, 3], b: [4], scale: [4], shift: [4], mean: [4], variance: [4] };
  assert.deepEqual(trainableWeights(modelOf(nodes, weights, 'n, 3, 8, 8')), ['w', 'b', 'scale', 'shift']);
  const table = parseText(
    '<ir_version: 10, opset_import: ["" : 17]> g (int64[n] i) => (y) { y = Gather(table, i) }',
  );
  table.graph.initializers.set('table', Tensor.float32([5, 2], new Float32Array(10)));
  assert.deepEqual(trainableWeights(table), ['table']);
});

test('patterns choose, and are held to what there is', () => {
  const model = modelOf('h = MatMul(x, one) y = MatMul(h, two)', { one: [4, 4], two: [4, 4] });
  assert.deepEqual(trainableWeights(model, { only: ['^t'] }), ['two']);
  assert.deepEqual(trainableWeights(model, { freeze: ['^t'] }), ['one']);
  assert.throws(() => trainableWeights(model, { freeze: ['o'] }), { code: 'TRAIN_NO_WEIGHTS' });
  assert.throws(() => trainableWeights(model, { only: ['three'] }), {
    code: 'USAGE_BAD_OPTION',
    message: /there are one, two/,
  });
  assert.throws(() => trainableWeights(model, { only: ['('] }), { code: 'USAGE_BAD_OPTION' });
});

test('a layout packs weights side by side and finds them again', () => {
  const model = modelOf('h = MatMul(x, one) y = Add(h, two)', { one: [4, 2], two: [2] });
  const layout = Layout.of(model, ['one', 'two']);
  const flat = layout.pack(model);
  flat[9] = 7;
  assert.deepEqual([layout.size, layout.sizes], [10, [8, 2]]);
  assert.deepEqual(layout.tensors(flat).get('two')!.numbers(), [0.5, 7]);
  assert.equal(layout.slotAt(8)!.name, 'two');
  assert.deepEqual([...layout.spread(({ name }) => name.length)], new Array(10).fill(3));
});
