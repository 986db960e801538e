import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../base/index.ts';
import { costOf, type Model, Tensor } from '../../graph/index.ts';
import { openSession } from '../../run/index.ts';
import { ARCHITECTURES } from './index.ts';
import type { Task } from './task.ts';

/** A float32 input and classes. */
const task = (dims: readonly number[], classes: number): Task => ({
  inputs: [{ name: 'x', dtype: 'float32', shape: ['N', ...dims] }],
  outputs: [{ name: 'y', dtype: 'float32', shape: ['N', classes], kind: 'classes' }],
});
const macs = (model: Model) => costOf(model).total.macs;

/** Numbers that training changes: all but the running statistics. */
function trained({ graph }: Model): number {
  let sum = 0;
  for (const [name, { dtype, size }] of graph.initializers) {
    if (dtype === 'float32' && !name.includes('.running_')) sum += size;
  }
  return sum;
}

test('ds-cnn is the keyword spotter of MLPerf Tiny: 2.7 million MACs', () => {
  const model = ARCHITECTURES['ds-cnn'].build(task([1, 49, 10], 12), {}, null);
  // 125 places: 40 * 64 at first, then four times 9 * 64 and 64 * 64; the last layer.
  assert.equal(macs(model), 125 * (40 * 64 + 4 * (9 * 64 + 64 * 64)) + 64 * 12);
});

test('residual-cnn has the MACs of ResNet-8 (MLPerf Tiny, 12.5 million) and ResNet-20 (41 million)', () => {
  const of = (blocks: number) =>
    macs(ARCHITECTURES['residual-cnn'].build(task([3, 32, 32], 10), { blocks }, null));
  assert.ok(Math.abs(of(1) / 12.5e6 - 1) < 0.01, `${of(1)}`);
  assert.ok(Math.abs(of(3) / 41e6 - 1) < 0.02, `${of(3)}`);
});

test('mobilenet is MobileNetV2 at 224: 300 million MACs, 3,504,872 numbers', () => {
  const model = ARCHITECTURES.mobilenet.build(task([3, 224, 224], 1000), {}, null);
  assert.ok(Math.abs(macs(model) / 300e6 - 1) < 0.01, `${macs(model)}`);
  // As torchvision counts its mobilenet_v2.
  assert.equal(trained(model) - constants(model), 3_504_872);
});

/** Ends of Clip, which are no weights. */
const constants = ({ graph }: Model) =>
  [...graph.initializers.keys()].filter((name) => /relu6/.test(name)).length;

test('mobilenet halves a small picture until four rows are left', () => {
  const model = ARCHITECTURES.mobilenet.build(task([3, 32, 10], 2), {}, null);
  const strides = model.graph.nodes.flatMap(({ op, attributes }) => {
    const stride = attributes.get('strides');
    return op === 'Conv' && stride?.type === 'ints' && stride.value.some((step) => step === 2)
      ? [stride.value.join('x')]
      : [];
  });
  assert.deepEqual(strides, ['2x2', '2x2', '2x1']);
});

test('attention of a transformer is softmax(QK / sqrt(d))V of each head', async () => {
  const options = { channels: 8, heads: 2, layers: 1, width: 1 };
  const [length, size, heads, each] = [5, 8, 2, 4];
  const model = ARCHITECTURES.transformer.build(task([length, 3], 2), options, new Random(9));
  const seen = ['layer1.norm1', 'layer1.attention.whole'];
  for (const name of seen) {
    model.graph.outputs.push({
      name,
      type: { kind: 'tensor', dtype: 'float32', shape: ['N', length, size] },
    });
  }
  const session = await openSession(model, { threads: 1, level: 'disabled' });
  const random = new Random(4);
  const x = Tensor.float32(
    [2, length, 3],
    Array.from({ length: 30 }, () => random.normal()),
  );
  const fetched = await session.run({ x });
  await session.dispose();

  const from = fetched[seen[0]!]!.numbers();
  const project = (role: string, row: number, column: number) => {
    const weight = model.graph.initializers.get(`layer1.attention.${role}.weight`)!.numbers();
    let sum = 0;
    for (let i = 0; i < size; i++) sum += from[row * size + i]! * weight[i * size + column]!;
    return sum;
  };
  const got = fetched[seen[1]!]!.numbers();
  for (let row = 0; row < 2 * length; row++) {
    const first = row - (row % length);
    for (let column = 0; column < size; column++) {
      const head = Math.floor(column / each);
      const scores = Array.from({ length }, (_, t) => {
        let sum = 0;
        for (let i = head * each; i < (head + 1) * each; i++) {
          sum += project('query', row, i) * project('key', first + t, i);
        }
        return Math.exp(sum / Math.sqrt(each));
      });
      const total = scores.reduce((a, b) => a + b);
      const wanted = scores.reduce(
        (sum, score, t) => sum + (score / total) * project('value', first + t, column),
        0,
      );
      assert.ok(Math.abs(got[row * size + column]! - wanted) < 1e-5, `${row}, ${column} of ${heads} heads`);
    }
  }
});
