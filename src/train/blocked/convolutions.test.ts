import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../base/index.ts';
import { attr, cloneModel, makeGraph, makeModel, makeNode, Tensor, tensorType } from '../../graph/index.ts';
import { openSession } from '../../run/index.ts';
import { Composer, TRAINING_OPSET } from '../composer.ts';
import { blockSize } from './block-size.ts';
import { blockConvolutions } from './convolutions.ts';

/** y = Conv(x, w, b), all fed. */
function convolution(
  x: readonly number[],
  w: readonly number[],
  attributes: Record<string, number | readonly number[]>,
) {
  const given = Object.entries(attributes).map(([name, value]) => [
    name,
    typeof value === 'number' ? attr.int(value) : attr.ints(value),
  ]);
  const graph = makeGraph({
    inputs: [
      { name: 'x', type: tensorType('float32', x) },
      { name: 'w', type: tensorType('float32', w) },
      { name: 'b', type: tensorType('float32', [w[0]!]) },
    ],
    outputs: [{ name: 'y', type: { kind: 'unknown' } }],
    nodes: [makeNode('Conv', ['x', 'w', 'b'], ['y'], Object.fromEntries(given), { name: 'conv' })],
  });
  return makeModel(graph, TRAINING_OPSET);
}

const values = (random: Random, dims: readonly number[]) =>
  Tensor.float32(
    dims,
    Float32Array.from({ length: dims.reduce((all, dim) => all * dim, 1) }, () => random.normal()),
  );

test('blocked convolutions answer as plain ones, whatever the window', async (t) => {
  const block = await blockSize();
  if (block === 0) return t.skip('this runtime has no blocked layout');
  const random = new Random(5);
  const cases = [
    [[2, 2 * block, 7, 5], [3 * block, 2 * block, 3, 3], { pads: [1, 1, 1, 1] }],
    [[1, block, 8, 9], [block, block, 3, 2], { strides: [2, 1], pads: [0, 1, 2, 0] }],
    [[2, block, 9, 9], [2 * block, block, 2, 3], { dilations: [2, 3] }],
    [[2, 2 * block, 6, 5], [2 * block, 1, 3, 3], { pads: [1, 1, 1, 1], group: 2 * block }],
    [[1, block, 6, 7], [block, 1, 3, 3], { strides: [2, 2], pads: [1, 0, 1, 0], group: block }],
  ] as const;
  for (const [x, w, attributes] of cases) {
    const plain = convolution(x, w, attributes);
    const blocked = cloneModel(plain);
    const count = blockConvolutions(new Composer(blocked, { x, w, b: [w[0]] }), block);
    assert.equal(count, 1);
    const feeds = { x: values(random, x), w: values(random, w), b: values(random, [w[0]]) };
    const [wanted, found] = await Promise.all(
      [plain, blocked].map(async (model) => {
        const session = await openSession(model, { threads: 1 });
        const { y } = await session.run(feeds);
        await session.dispose();
        return y!;
      }),
    );
    assert.deepEqual(found!.dims, wanted!.dims);
    const [a, b] = [wanted!.numbers(), found!.numbers()];
    const top = Math.max(...a.map(Math.abs));
    for (const [i, value] of a.entries()) assert.ok(Math.abs(value - b[i]!) < 1e-4 * top, `${w} at ${i}`);
  }
});

test('two convolutions of one value reorder it once, and see it so through a reshape that makes samples channels', async (t) => {
  const block = await blockSize();
  if (block === 0) return t.skip('this runtime has no blocked layout');
  const [x, w, g] = [
    [2, block, 6, 5],
    [block, 1, 3, 3],
    [2, block, 6, 5],
  ];
  const plain = convolution(x, w, { pads: [1, 1, 1, 1], group: block });
  plain.graph.inputs.push({ name: 'g', type: tensorType('float32', g) });
  const blocked = cloneModel(plain);
  for (const model of [plain, blocked]) {
    const to = new Composer(model, { x, w, b: [block], g });
    const maps = to.reshape('x', [1, 2 * block, 6, 5]);
    const kernels = to.reshape('g', [2 * block, 1, 6, 5]);
    const sums = to.op('Conv', [maps, kernels], { group: 2 * block, pads: [1, 1, 1, 1] });
    to.output(sums, 'sums');
    if (model === blocked) assert.equal(blockConvolutions(to, block), 2);
  }
  const reordered = blocked.graph.nodes.filter(({ op }) => op === 'ReorderInput');
  assert.equal(reordered.length, 3, 'x, the weights and g');
  const random = new Random(6);
  const feeds = {
    x: values(random, x),
    w: values(random, w),
    b: values(random, [block]),
    g: values(random, g),
  };
  const [wanted, found] = await Promise.all(
    [plain, blocked].map(async (model) => {
      const session = await openSession(model, { threads: 1 });
      const answer = await session.run(feeds);
      await session.dispose();
      return answer;
    }),
  );
  for (const name of ['y', 'sums']) {
    const [a, b] = [wanted![name]!.numbers(), found![name]!.numbers()];
    const top = Math.max(...a.map(Math.abs));
    for (const [i, value] of a.entries()) assert.ok(Math.abs(value - b[i]!) < 1e-4 * top, `${name} at ${i}`);
  }
});

test('what has no whole blocks, or nothing to gain, stays as it is', () => {
  const cases = [
    [[1, 16, 6, 6], [16, 16, 1, 1], {}],
    [[1, 3, 6, 6], [16, 3, 3, 3], {}],
    [[1, 16, 6, 6], [20, 16, 3, 3], {}],
    [[1, 32, 6, 6], [32, 16, 3, 3], { group: 2 }],
    [[1, 16, 6], [16, 16, 3], {}],
  ] as const;
  for (const [x, w, attributes] of cases) {
    const model = convolution(x, w, attributes);
    assert.equal(blockConvolutions(new Composer(model, { x, w, b: [w[0]] }), 16), 0);
    assert.deepEqual(
      model.graph.nodes.map(({ op }) => op),
      ['Conv'],
    );
  }
});
