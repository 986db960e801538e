import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../base/index.ts';
import { assertValid, type Model, Tensor } from '../../graph/index.ts';
import { type Fetches, openSession } from '../../run/index.ts';
import { ARCHITECTURES } from './index.ts';
import type { Task } from './task.ts';

const { recommender } = ARCHITECTURES;
const TASK: Task = {
  inputs: [
    { name: 'user', dtype: 'int64', shape: ['N'], vocabulary: 6 },
    { name: 'item', dtype: 'int32', shape: ['N'], vocabulary: 4 },
    { name: 'dense', dtype: 'float32', shape: ['N', 2] },
  ],
  outputs: [{ name: 'click', dtype: 'float32', shape: ['N', 1], kind: 'binary' }],
};
const FEEDS = {
  user: Tensor.int64([3], [5, 0, 2]),
  item: Tensor.of('int32', [3], Int32Array.of(3, 1, 0)),
  dense: Tensor.float32([3, 2], [0.5, -1, 2, 0.25, -0.75, 1]),
};

/** The values of the named nodes, beside the outputs. */
async function values(model: Model, ...names: string[]): Promise<Fetches> {
  for (const name of names) {
    model.graph.outputs.push({ name, type: { kind: 'tensor', dtype: 'float32', shape: [null, null] } });
  }
  const session = await openSession(model, { threads: 1, level: 'disabled' });
  try {
    return await session.run(FEEDS);
  } finally {
    await session.dispose();
  }
}

function dot(a: Tensor, b: Tensor, row: number): number {
  const size = a.dims[1]!;
  const [left, right] = [a.numbers(), b.numbers()];
  let sum = 0;
  for (let i = row * size; i < (row + 1) * size; i++) sum += left[i]! * right[i]!;
  return sum;
}

test('dlrm: each pair of vectors once, by its dot product', async () => {
  const model = recommender.build(TASK, { embedding: 8 }, new Random(1));
  const vectors = ['bottom2.relu', 'embed.user', 'embed.item'];
  const found = await values(model, ...vectors, 'interact');
  assert.deepEqual(found.interact!.dims, [3, 3]);
  const [dense, user, item] = vectors.map((name) => found[name]!);
  for (let row = 0; row < 3; row++) {
    const wanted = [dot(user!, dense!, row), dot(item!, dense!, row), dot(item!, user!, row)];
    for (const [i, value] of wanted.entries()) {
      assert.ok(Math.abs(found.interact!.numbers()[3 * row + i]! - value) < 1e-6);
    }
  }
  assert.ok(found.click!.numbers().every((value) => value > 0 && value < 1));
});

test('two towers: the sigmoid of the scaled dot product, each side of its own inputs', async () => {
  const model = recommender.build(TASK, { form: 'two-tower', embedding: 16 }, new Random(1));
  assertValid(model);
  const found = await values(model, 'user.vector', 'item.vector');
  for (let row = 0; row < 3; row++) {
    const score = dot(found['user.vector']!, found['item.vector']!, row) / Math.sqrt(16);
    assert.ok(Math.abs(found.click!.numbers()[row]! - 1 / (1 + Math.exp(-score))) < 1e-6);
  }
  const features = (side: string) =>
    model.graph.nodes.find(({ outputs }) => outputs.includes(`${side}.features`))?.inputs;
  assert.deepEqual(features('user'), ['embed.user', 'dense']);
  assert.equal(features('item'), undefined);
  const moved = recommender.build(TASK, { form: 'two-tower', items: ['item', 'dense'] }, null);
  assert.deepEqual(moved.graph.nodes.find(({ name }) => name === 'item.features')?.inputs, [
    'embed.item',
    'dense',
  ]);
});

test('two towers need inputs on both sides, and names that are there', () => {
  const refused = (items: string[], why: RegExp, task = TASK) =>
    assert.throws(() => recommender.build(task, { form: 'two-tower', items }, null), {
      code: 'USAGE_BAD_OPTION',
      message: why,
    });
  refused(['item', 'price'], /items names "price"; the inputs are user, item, dense/);
  refused(['user', 'item', 'dense'], /the other tower has no input/);
  const renamed = { ...TASK, inputs: TASK.inputs.map((input) => ({ ...input, name: `the ${input.name}` })) };
  refused([], /the item tower has no input/, renamed);
  assert.throws(() => recommender.build(TASK, { form: 'tree' as 'dlrm' }, null), {
    code: 'USAGE_BAD_OPTION',
    message: /form is "tree", not dlrm or two-tower/,
  });
});
