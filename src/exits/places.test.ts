import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../base/index.ts';
import { type Model, parseText, Tensor } from '../graph/index.ts';
import { architectureByName } from '../train/index.ts';
import { exitPlaces } from './places.ts';
import { featuresOf, poolingsOf } from './pooling.ts';

const HEAD = '<ir_version: 10, opset_import: ["" : 17]>';

/** A model in ONNX text; `weights` by name and shape. */
function model(text: string, weights: Readonly<Record<string, readonly number[]>>): Model {
  const made = parseText(`${HEAD} ${text}`);
  for (const [name, dims] of Object.entries(weights)) {
    const size = dims.reduce((a, b) => a * b, 1);
    made.graph.initializers.set(name, Tensor.float32(dims, new Float32Array(size)));
  }
  return made;
}

test('places lie behind activations, with all work before them and what must be carried', () => {
  const net = model(
    `g (float[n, 1, 8, 8] x) => (float[n, 3] y) {
      a = Conv <pads = [1, 1, 1, 1]> (x, w1) b = Relu(a)
      c = Conv <pads = [1, 1, 1, 1]> (b, w2) d = Relu(c)
      e = Add(b, d) f = Relu(e)
      g = GlobalAveragePool(f) h = Flatten(g) y = Gemm(h, w3) }`,
    { w1: [4, 1, 3, 3], w2: [4, 4, 3, 3], w3: [4, 3] },
  );
  const [first, second] = [4 * 9 * 64, 4 * 4 * 9 * 64];
  const places = exitPlaces(net, { within: [0, 0.999], most: 10 });
  assert.deepEqual(
    places.map(({ value, macs, frontier }) => ({ value, macs, frontier })),
    [
      { value: 'b', macs: first, frontier: ['b'] },
      // Of d, f and what follows it, all behind the same work, the last that needs nothing else to be carried.
      { value: 'h', macs: first + second, frontier: ['h'] },
    ],
  );
  assert.deepEqual(
    { kind: places[0]!.kind, axis: places[0]!.axis, channels: 4, room: places[0]!.room },
    { kind: 'picture', axis: 1, channels: 4, room: [8, 8] },
  );
});

test('of values behind the same work the one with the least to carry is the place', () => {
  const net = model(
    `g (float[n, 16] x) => (float[n, 3] y) {
      a = MatMul(x, w1) b = Relu(a) c = MatMul(b, w2) d = Relu(c) e = Add(b, d) f = MatMul(e, w3) g = Relu(f) y = MatMul(g, w4) }`,
    { w1: [16, 16], w2: [16, 16], w3: [16, 32], w4: [32, 3] },
  );
  const at = (mostCarried: number) =>
    exitPlaces(net, { within: [0, 0.999], mostCarried }).map(({ value, frontier }) => [value, ...frontier]);
  assert.deepEqual(at(4), [
    ['b', 'b'],
    ['e', 'e'],
    ['g', 'g'],
  ]);
  // Where nothing may be carried besides, d (which needs b as well) would be none either.
  assert.deepEqual(at(1), at(4));
});

test('what has no samples on its first axis, or does not depend on them, is no place', () => {
  const turned = model(
    `g (float[n, 16] x) => (float[n, 3] y) { a = Transpose(x) b = MatMul(w1, a) c = Relu(b) d = Transpose(c) y = MatMul(d, w2) }`,
    { w1: [8, 16], w2: [8, 3] },
  );
  for (const { value } of exitPlaces(turned, { within: [0, 1] })) assert.equal(value, 'd');
  const shallow = model('g (float[n, 16] x) => (float[n, 3] y) { y = MatMul(x, w1) }', { w1: [16, 3] });
  assert.throws(() => exitPlaces(shallow), { code: 'EXITS_NO_PLACE' });
});

for (const [name, options, shape, kind] of [
  ['residual-cnn', { width: 0.5, depth: 0.5 }, [1, 16, 16], 'picture'],
  ['ds-cnn', { width: 0.5 }, [1, 20, 10], 'picture'],
  ['transformer', { width: 0.25, depth: 0.5 }, [12, 6], 'sequence'],
  ['mlp', { layers: 4, units: 40 } as Record<string, unknown>, [20], 'vector'],
] as const) {
  test(`every ${name} has places, by depth, each with poolings that fit`, () => {
    const net = architectureByName(name).build(
      {
        inputs: [{ name: 'x', dtype: 'float32', shape: ['N', ...shape] }],
        outputs: [{ name: 'y', dtype: 'float32', shape: ['N', 5], kind: 'classes' }],
      },
      options,
      new Random(1),
    );
    const places = exitPlaces(net);
    assert.ok(places.length >= 2 && places.length <= 24, `${places.length}`);
    assert.ok(places.some((place) => place.kind === kind));
    for (const [i, place] of places.entries()) {
      assert.ok(i === 0 || place.macs > places[i - 1]!.macs);
      assert.ok(place.frontier.includes(place.value));
      for (const pooling of poolingsOf(place))
        assert.ok(featuresOf(place, pooling) <= Math.max(256, place.channels));
    }
  });
}
