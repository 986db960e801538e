import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../src/base/index.ts';
import { parseText, Tensor } from '../../src/graph/index.ts';
import { openSession } from '../../src/run/index.ts';
import { evaluate, float, int, ofTensor, randomValues, toTensor, type Value } from './index.ts';
import { erf } from './unary.ts';

/** What the official cases leave out, against ONNX Runtime: bodies of graphs, by what they show. */

const HEAD = '<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>';

const modelOf = (text: string) => parseText(`${HEAD} ${text}`);

const lengths = int([2], [4, 2], 'int32');

/** Graphs whose float inputs are random; other inputs are given. */
const AGREE: Readonly<Record<string, readonly [text: string, given?: Record<string, Value>]>> = {
  'FusedMatMul, turned and scaled': [
    `g (float[2,4,3] a, float[5,4] b) => (float[] y) {
      y = com.microsoft.FusedMatMul<transA=1, transB=1, alpha=0.5>(a, b) }`,
  ],
  'a Hardmax of equals, NonZero': [
    `g (float[2,3] x) => (float[] y, int64[] i) { s = Sign(x) r = Relu(s) y = Hardmax(r) i = NonZero(r) }`,
  ],
  'Gelus with a bias': [
    `g (float[3,4] x, float[4] b) => (float[] y, float[] z) {
      y = com.microsoft.BiasGelu(x, b) z = com.microsoft.FastGelu(x, b) }`,
  ],
  'three Gelus': [
    `g (float[3,4] x) => (float[] y, float[] z, float[] q) {
      y = com.microsoft.Gelu(x) z = com.microsoft.FastGelu(x) q = com.microsoft.QuickGelu<alpha=1.5>(x) }`,
  ],
  'Conv: groups, uneven pads, strides, dilations': [
    `g (float[2,4,9,7] x, float[6,2,3,2] w, float[6] b) => (float[] y) {
      y = Conv<group=2, pads=[2,0,1,1], strides=[2,1], dilations=[2,3]>(x, w, b) }`,
  ],
  'Conv: depthwise, 1-D, SAME_LOWER': [
    `g (float[2,3,10] x, float[6,1,4] w) => (float[] y) { y = Conv<group=3, auto_pad="SAME_LOWER", strides=[3]>(x, w) }`,
  ],
  'Conv: 3-D': [
    `g (float[1,2,4,5,6] x, float[3,2,2,3,2] w) => (float[] y) { y = Conv<pads=[0,1,0,1,1,1], strides=[1,2,2]>(x, w) }`,
  ],
  'ConvTranspose: groups, uneven pads, output_padding, dilations': [
    `g (float[2,4,5,4] x, float[4,3,3,2] w, float[6] b) => (float[] y) {
      y = ConvTranspose<group=2, pads=[1,0,2,1], strides=[3,2], dilations=[2,1], output_padding=[1,1]>(x, w, b) }`,
  ],
  'ConvTranspose: SAME_LOWER': [
    `g (float[1,2,5] x, float[2,3,4] w) => (float[] y) { y = ConvTranspose<auto_pad="SAME_LOWER", strides=[3]>(x, w) }`,
  ],
  'MaxPool: dilations, ceil_mode, Indices': [
    `g (float[2,3,9,8] x) => (float[] y, int64[] i) {
      y, i = MaxPool<kernel_shape=[3,2], strides=[2,3], dilations=[2,1], pads=[1,0,1,1], ceil_mode=1>(x) }`,
  ],
  'AveragePool: uneven pads, ceil_mode, the padding counted and not': [
    `g (float[2,2,8,9] x) => (float[] y, float[] z) {
      y = AveragePool<kernel_shape=[3,3], strides=[2,2], pads=[1,0,1,1], ceil_mode=1, count_include_pad=1>(x)
      z = AveragePool<kernel_shape=[3,3], strides=[2,2], pads=[1,0,1,1], ceil_mode=1>(x) }`,
  ],
  'BatchNormalization: training': [
    `g (float[4,3,5] x, float[3] s, float[3] b, float[3] m) => (float[] y, float[] rm, float[] rv) {
      v = Abs(m) y, rm, rv = BatchNormalization<training_mode=1, momentum=0.7, epsilon=0.01>(x, s, b, m, v) }`,
  ],
  'LayerNormalization: three outputs, a middle axis': [
    `g (float[2,3,4] x, float[3,4] s, float[3,4] b) => (float[] y, float[] m, float[] i) {
      y, m, i = LayerNormalization<axis=1, epsilon=0.1>(x, s, b) }`,
  ],
  'GroupNormalization: scales by channel': [
    `g (float[2,6,3] x, float[6] s, float[6] b) => (float[] y) { y = GroupNormalization<num_groups=3>(x, s, b) }`,
  ],
  'LSTM: two directions, peepholes, initial states, short sequences': [
    `g (float[4,2,3] x, float[2,20,3] w, float[2,20,5] r, float[2,40] b, int32[2] n, float[2,2,5] h, float[2,2,5] c,
        float[2,15] p) => (float[] y, float[] yh, float[] yc) {
      y, yh, yc = LSTM<hidden_size=5, direction="bidirectional">(x, w, r, b, n, h, c, p) }`,
    { n: lengths },
  ],
  'LSTM: backwards': [
    `g (float[4,2,3] x, float[1,8,3] w, float[1,8,2] r) => (float[] y, float[] yh) {
      y, yh = LSTM<hidden_size=2, direction="reverse">(x, w, r) }`,
  ],
  'GRU: two directions, short sequences': [
    `g (float[4,2,3] x, float[2,15,3] w, float[2,15,5] r, float[2,30] b, int32[2] n, float[2,2,5] h) => (float[] y, float[] yh) {
      y, yh = GRU<hidden_size=5, direction="bidirectional">(x, w, r, b, n, h) }`,
    { n: lengths },
  ],
  'GRU: linear before reset': [
    `g (float[4,2,3] x, float[1,15,3] w, float[1,15,5] r, float[1,30] b) => (float[] y, float[] yh) {
      y, yh = GRU<hidden_size=5, linear_before_reset=1>(x, w, r, b) }`,
  ],
  'RNN: two directions, other activations': [
    `g (float[4,2,3] x, float[2,5,3] w, float[2,5,5] r, float[2,10] b) => (float[] y, float[] yh) {
      y, yh = RNN<hidden_size=5, direction="bidirectional", activations=["Relu","Sigmoid"]>(x, w, r, b) }`,
  ],
  'LSTM: clip, input_forget, other activations': [
    `g (float[4,2,3] x, float[2,20,3] w, float[2,20,5] r) => (float[] y, float[] yh, float[] yc) {
      y, yh, yc = LSTM<hidden_size=5, direction="bidirectional", clip=0.9, input_forget=1, activations=["HardSigmoid",
        "Tanh", "Softsign", "Sigmoid", "ScaledTanh", "LeakyRelu"], activation_alpha=[0.3, 1.2, 0.1],
        activation_beta=[0.4, 0.8]>(x, w, r) }`,
  ],
  'GRU: clip, other activations': [
    `g (float[4,2,3] x, float[1,15,3] w, float[1,15,5] r) => (float[] y, float[] yh) {
      y, yh = GRU<hidden_size=5, clip=0.8, activations=["HardSigmoid", "Softplus"]>(x, w, r) }`,
  ],
  'SkipLayerNormalization, and the simplified one': [
    `g (float[2,3,4] x, float[2,3,4] s, float[4] g, float[4] b, float[4] c) => (float[] y, float[] t, float[] z, float[] u) {
      y, , , t = com.microsoft.SkipLayerNormalization<epsilon=0.1>(x, s, g, b, c)
      z, , , u = com.microsoft.SkipSimplifiedLayerNormalization<epsilon=0.1>(x, s, g, c) }`,
  ],
  SimplifiedLayerNormalization: [
    `g (float[2,3,4] x, float[4] s) => (float[] y) { y = SimplifiedLayerNormalization<axis=-1, epsilon=0.1>(x, s) }`,
  ],
  'com.microsoft.Attention: sizes of its own, a mask, no looking ahead': [
    `g (float[2,3,4] x, float[4,20] w, float[20] b, int32[2,3] m) => (float[] y, float[] z) {
      y = com.microsoft.Attention<num_heads=2, qkv_hidden_sizes=[6,6,8]>(x, w, b, m)
      z = com.microsoft.Attention<num_heads=2, qkv_hidden_sizes=[6,6,8], unidirectional=1>(x, w, b) }`,
    { m: int([2, 3], [1, 1, 0, 1, 1, 1], 'int32') },
  ],
  'com.microsoft.MultiHeadAttention: a mask, a bias, more keys than queries': [
    `g (float[2,3,4] q, float[2,5,4] k, float[2,5,6] v, float[14] b, int32[2,5] m, float[2,2,3,5] a) => (float[] y, float[] z) {
      y = com.microsoft.MultiHeadAttention<num_heads=2>(q, k, v, b, m, a)
      z = com.microsoft.MultiHeadAttention<num_heads=2, unidirectional=1, scale=0.9>(q, q, q) }`,
    { m: int([2, 5], [1, 1, 0, 1, 0, 1, 1, 1, 1, 1], 'int32') },
  ],
  'Resize: corners aligned, fewer elements': [
    `g (float[1,1,5,8] x) => (float[] y) {
      s = Constant<value_floats=[1.0, 1.0, 0.6, 0.6]>()
      y = Resize<mode="linear", coordinate_transformation_mode="align_corners">(x, , s) }`,
  ],
  'Resize: linear, half pixels, to sizes': [
    `g (float[1,2,4,5] x) => (float[] y) {
      n = Constant<value_ints=[1,2,7,3]>() y = Resize<mode="linear">(x, , , n) }`,
  ],
  'Pad: reflected, some axes': [
    `g (float[2,5,4] x) => (float[] y) {
      p = Constant<value_ints=[3,1,2,0]>() a = Constant<value_ints=[1,-1]>() y = Pad<mode="reflect">(x, p, , a) }`,
  ],
  'Pad: some are taken away': [
    `g (float[4,5] x) => (float[] y) { p = Constant<value_ints=[-1,2,1,-2]>() y = Pad(x, p) }`,
  ],
  'Slice: backwards, an end before the first': [
    `g (float[5,6] x) => (float[] y) {
      s = Constant<value_ints=[-1,4]>() e = Constant<value_ints=[-100,0]>() a = Constant<value_ints=[0,1]>()
      t = Constant<value_ints=[-2,-3]>() y = Slice(x, s, e, a, t) }`,
  ],
  'ScatterElements and ScatterND add up what falls together': [
    `g (float[3,4] x, float[2,4] u, float[3,4] v) => (float[] y, float[] z) {
      i = Constant<value=int64[2,4] {0,1,2,0, 0,-1,2,1}>() y = ScatterElements<axis=0, reduction="add">(x, i, u)
      j = Constant<value=int64[3,1] {1,1,0}>() z = ScatterND<reduction="add">(x, j, v) }`,
  ],
  'QuantizeLinear and back, by axis': [
    `g (float[2,3,4] x, int8[3] z) => (int8[] q, float[] y) {
      s = Constant<value_floats=[0.013, 0.07, 0.0093]>()
      q = QuantizeLinear<axis=1>(x, s, z) y = DequantizeLinear<axis=1>(q, s, z) }`,
    { z: int([3], [0, -9, 4], 'int8') },
  ],
  'Einsum: broadcast axes, labels in any order': [
    `g (float[2,1,3,4] x, float[1,5,4,6] y, float[3,2] a, float[2,4] b) => (float[] z, float[] t) {
      z = Einsum<equation="...ij,...jk->k...i">(x, y) t = Einsum<equation="zb,ba">(a, b) }`,
  ],
  'integers: division, remainders, wrapping': [
    `g (int32[4] a, int32[4] b, int8[2] c) => (int32[] d, int32[] m, int32[] f, int8[] w) {
      d = Div(a, b) m = Mod(a, b) f = Mod<fmod=1>(a, b)
      k = Constant<value=int32[1] {3}>() e = Cast<to=6>(c) t = Mul(e, k) w = Cast<to=3>(t) }`,
    {
      a: int([4], [7, -7, 7, -7], 'int32'),
      b: int([4], [3, 3, -3, -3], 'int32'),
      c: int([2], [100, -100], 'int8'),
    },
  ],
};

const random = new Random(7);

for (const [what, [text, given = {}]] of Object.entries(AGREE)) {
  test(`as ONNX Runtime: ${what}`, async () => {
    const model = modelOf(text);
    const feeds: Record<string, Value> = { ...given };
    for (const { name, type } of model.graph.inputs)
      if (type.kind === 'tensor' && type.dtype === 'float32')
        feeds[name] = randomValues(random, type.shape as number[]);
    const session = await openSession(model);
    const tensors = Object.entries(feeds).map(([name, value]): [string, Tensor] => [name, toTensor(value)]);
    const expected = await session.run(Object.fromEntries(tensors));
    await session.dispose();
    const found = evaluate(model, feeds);
    for (const { name } of model.graph.outputs) {
      const want = ofTensor(expected[name] as Tensor);
      assert.deepEqual([found[name]!.kind, found[name]!.dims], [want.kind, want.dims]);
      for (const [i, value] of want.data.entries())
        assert.ok(
          Math.abs(found[name]!.data[i]! - value) <= 2e-5 * Math.max(1, Math.abs(value)),
          `${name}[${i}] is ${found[name]!.data[i]}, not ${value}`,
        );
    }
  });
}

test('floats stay doubles through initializers, casts and arithmetic', () => {
  const model = modelOf(`g (double[1] x) => (double[] y) {
    a = Cast<to=1>(x) k = Constant<value_float=1.0>() b = Add(a, k) y = Cast<to=11>(b) }`);
  assert.deepEqual([...evaluate(model, { x: float([1], [1e-12]) }).y!.data], [1 + 1e-12]);
});

test('the error function to fifteen digits (Abramowitz and Stegun, table 7.1)', () => {
  for (const [x, y] of [
    [0, 0],
    [0.5, 0.5204998778130465],
    [1, 0.8427007929497149],
    [2, 0.9953222650189527],
    [-2.5, -0.999593047982555],
    [7, 1],
  ] as const)
    assert.ok(Math.abs(erf(x) - y) < 2e-15, `erf(${x}) is ${erf(x)}`);
});

test('what cannot be answered is named', () => {
  const unknown = modelOf('g (float[2,2] x) => (float[] y) { a = Det(x) y = MatMulInteger(x, x) }');
  const x = float([2, 2], [1, 2, 3, 4]);
  assert.throws(() => evaluate(unknown, { x }), /the reference has no Det, MatMulInteger/);
  const misfit = modelOf('g (float[2,2] x, float[3] b) => (float[] y) { y = Add(x, b) }');
  assert.throws(() => evaluate(misfit, { x, b: float([3], [1, 2, 3]) }), /Add "y": .* do not broadcast/);
  assert.throws(() => evaluate(misfit, { x }), /"b" was neither fed nor made/);
  assert.throws(() => ofTensor(Tensor.ofStrings([1], ['a'])), /knows no string/);
});

test('values go to tensors and back', () => {
  for (const dtype of ['int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64'] as const) {
    const value = int([2], [3, 100], dtype);
    assert.equal(toTensor(value).dtype, dtype);
    assert.deepEqual(ofTensor(toTensor(value)), value);
  }
  const halves = Tensor.of('float16', [4], Uint16Array.of(0x3c00, 0xc100, 0x0001, 0x7c00));
  assert.deepEqual([...ofTensor(halves).data], [1, -2.5, 2 ** -24, Infinity]);
  const brains = Tensor.of('bfloat16', [2], Uint16Array.of(0x3f80, 0xc020));
  assert.deepEqual([...ofTensor(brains).data], [1, -2.5]);
});
