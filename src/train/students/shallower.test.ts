import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Model, parseText, Tensor } from '../../graph/index.ts';
import { openSession } from '../../run/index.ts';
import { blocksOf, shallowerCopy } from './shallower.ts';

/** A first layer, `depth` residual blocks, a last layer. */
function residual(depth: number): Model {
  let [nodes, at] = ['h0 = MatMul(x, first)', 'h0'];
  const names = ['first', 'last'];
  for (let i = 1; i <= depth; i++) {
    nodes += ` a${i} = MatMul(${at}, u${i}) b${i} = Relu(a${i}) c${i} = MatMul(b${i}, v${i}) h${i} = Add(c${i}, ${at})`;
    names.push(`u${i}`, `v${i}`);
    at = `h${i}`;
  }
  const model = parseText(
    `<ir_version: 10, opset_import: ["" : 17]> g (float[n, 4] x) => (float[n, 2] y) { ${nodes} y = MatMul(${at}, last) }`,
  );
  for (const name of names) {
    const dims = name === 'first' ? [4, 8] : name === 'last' ? [8, 2] : [8, 8];
    model.graph.initializers.set(name, Tensor.float32(dims, new Float32Array(dims[0]! * dims[1]!).fill(0.1)));
  }
  return model;
}

test('residual blocks are found, each with its layers', () => {
  const blocks = blocksOf(residual(3));
  assert.deepEqual(
    blocks.map(({ from, to }) => [from, to]),
    [
      ['h0', 'h1'],
      ['h1', 'h2'],
      ['h2', 'h3'],
    ],
  );
  assert.ok(blocks.every(({ layers }) => layers.length === 2));
});

for (const [keep, left] of [
  [0.75, 3],
  [0.5, 2],
  [0, 0],
] as const) {
  test(`of four blocks ${left} stay, with their weights, and the model runs`, async () => {
    const teacher = residual(4);
    const { model, removed } = shallowerCopy(teacher, keep);
    assert.equal(removed.length, 4 - left);
    assert.equal(model.graph.initializers.size, 2 + 2 * left);
    const session = await openSession(model);
    const { y } = await session.run({ x: Tensor.float32([2, 4], new Float32Array(8).fill(1)) });
    assert.deepEqual(y!.dims, [2, 2]);
    await session.dispose();
    assert.equal(teacher.graph.initializers.size, 10, 'the teacher stays whole');
  });
}

test('layers of a plain stack are blocks too; without any there is no shallower copy', () => {
  const plain = (nodes: string, names: string[]) => {
    const model = parseText(
      `<ir_version: 10, opset_import: ["" : 17]> g (float[n, 4] x) => (float[n, 4] y) { ${nodes} }`,
    );
    for (const name of names)
      model.graph.initializers.set(name, Tensor.float32([4, 4], new Float32Array(16)));
    return model;
  };
  const stack = plain('a = MatMul(x, u) b = Relu(a) c = MatMul(b, v) d = Relu(c) y = MatMul(d, w)', [
    'u',
    'v',
    'w',
  ]);
  assert.ok(blocksOf(stack).length >= 2);
  const one = plain('y = MatMul(x, u)', ['u']);
  assert.throws(() => shallowerCopy(one, 0.5), { code: 'STUDENT_IMPOSSIBLE' });
});
