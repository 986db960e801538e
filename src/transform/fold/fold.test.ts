import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SILENT } from '../../base/index.ts';
import {
  type Attribute,
  attr,
  type Model,
  makeGraph,
  makeModel,
  makeNode,
  type Node,
  type Shape,
  Tensor,
  tensorType,
} from '../../graph/index.ts';
import type { Pass, PassResult } from '../pass.ts';
import { foldBatchNorm } from './batch-norm.ts';
import { foldBatchNormBefore } from './batch-norm-before.ts';
import { commonSubexpressions } from './common-subexpressions.ts';
import { foldConstants } from './constants.ts';
import { mergeShapeOps } from './merge-shape-ops.ts';
import { foldMulAdd } from './mul-add.ts';
import { foldPad } from './pad.ts';
import { removeIdentity } from './remove-identity.ts';

const f32 = (dims: number[], values: number[]) => Tensor.float32(dims, values);
const node = (op: string, inputs: string[], output: string, attributes: Record<string, Attribute> = {}) =>
  makeNode(op, inputs, [output], attributes, { name: `${op}_${output}` });

function net(
  nodes: Node[],
  weights: Record<string, Tensor>,
  x: Shape,
  y: Shape = undefined,
  opset = 13,
): Model {
  return makeModel(
    makeGraph({
      inputs: [{ name: 'x', type: tensorType('float32', x) }],
      outputs: [{ name: 'y', type: tensorType('float32', y) }],
      nodes,
      initializers: new Map(Object.entries(weights)),
    }),
    opset,
  );
}
const run = <O extends object>(pass: Pass<O>, model: Model): Promise<PassResult> =>
  pass.apply(model, pass.defaults, { progress: SILENT, seed: 1 });
const ops = ({ graph }: Model) => graph.nodes.map(({ op }) => op);

const BN = {
  gamma: f32([2], [2, 3]),
  beta: f32([2], [0.5, -1]),
  mean: f32([2], [1, 2]),
  variance: f32([2], [4, 9]),
};
const bn = (x: string, y: string) =>
  node('BatchNormalization', [x, 'gamma', 'beta', 'mean', 'variance'], y, { epsilon: attr.float(0) });

test('batch normalization: the numbers by hand', async () => {
  const conv = node('Conv', ['x', 'w', 'b'], 'c', { kernel_shape: attr.ints([1, 1]) });
  const model = net(
    [conv, bn('c', 'y')],
    { ...BN, w: f32([2, 1, 1, 1], [10, 20]), b: f32([2], [1, 1]) },
    [1, 1, 2, 2],
  );
  const { model: folded, modified } = await run(foldBatchNorm, model);
  assert.ok(modified);
  const [only] = folded.graph.nodes;
  assert.deepEqual(ops(folded), ['Conv']);
  assert.deepEqual(only!.outputs, ['y']);
  // a = gamma / sqrt(var) = [1, 1]; b = beta - mean a = [-0.5, -3].
  assert.deepEqual(folded.graph.initializers.get(only!.inputs[1]!)!.numbers(), [10, 20]);
  assert.deepEqual(folded.graph.initializers.get(only!.inputs[2]!)!.numbers(), [0.5, -2]);
  assert.deepEqual(model.graph.initializers.get('b')!.numbers(), [1, 1]);
});

test('batch normalization: says why it does not fold', async () => {
  const conv = node('Conv', ['x', 'w'], 'c', { kernel_shape: attr.ints([1, 1]) });
  const w = f32([2, 1, 1, 1], [10, 20]);
  const refuses = async (model: Model, why: RegExp) => {
    const { modified, notes } = await run(foldBatchNorm, model);
    assert.equal(modified, false);
    assert.match(notes[0]!.why, why);
  };
  const twice = net([conv, bn('c', 'n'), node('Add', ['c', 'n'], 'y')], { ...BN, w }, [1, 1, 2, 2]);
  await refuses(twice, /read elsewhere/);
  await refuses(net([bn('x', 'y')], BN, [1, 2]), /no layer/);
  const dynamic = net([node('Relu', ['x'], 'v'), conv, bn('c', 'y')], { ...BN, w }, [1, 1, 2, 2]);
  dynamic.graph.nodes[1]!.inputs[1] = 'v';
  await refuses(dynamic, /no float32 constant/);
  const training = net([conv, bn('c', 'y')], { ...BN, w }, [1, 1, 2, 2], undefined, 14);
  training.graph.nodes[1]!.attributes.set('training_mode', attr.int(1));
  await refuses(training, /training/);
  const dead = { ...BN, variance: f32([2], [0, 1]) };
  await refuses(net([conv, bn('c', 'y')], { ...dead, w }, [1, 1, 2, 2]), /not finite/);
  const output = net([conv, bn('c', 'y')], { ...BN, w }, [1, 1, 2, 2]);
  output.graph.outputs.push({ name: 'c', type: tensorType('float32', undefined) });
  await refuses(output, /read elsewhere/);
});

test('batch normalization behind a grouped transposed convolution scales the right channels', async () => {
  const two = node('ConvTranspose', ['x', 'w'], 'c', { group: attr.int(2) });
  const w = f32([4, 1, 1, 1], [1, 2, 3, 4]);
  const scale = { ...BN, variance: f32([2], [1, 1]) };
  const { model } = await run(foldBatchNorm, net([two, bn('c', 'y')], { ...scale, w }, [1, 4, 2, 2]));
  assert.deepEqual(model.graph.initializers.get(model.graph.nodes[0]!.inputs[1]!)!.numbers(), [2, 4, 9, 12]);
});

test('a shared weight is not changed for its other readers', async () => {
  const conv = (y: string) => node('Conv', ['x', 'w'], y, { kernel_shape: attr.ints([1, 1]) });
  const model = net(
    [conv('a'), conv('b'), bn('b', 'n'), node('Add', ['a', 'n'], 'y')],
    { ...BN, gamma: f32([2], [4, 6]), w: f32([2, 1, 1, 1], [1, 2]) },
    [1, 1, 2, 2],
  );
  const { model: folded } = await run(foldBatchNorm, model);
  assert.deepEqual(folded.graph.initializers.get('w')!.numbers(), [1, 2]);
  assert.notEqual(folded.graph.nodes[1]!.inputs[1], 'w');
});

test('Mul and Add fold only where they are one number per channel', async () => {
  const conv = node('Conv', ['x', 'w'], 'c', { kernel_shape: attr.ints([1, 1]) });
  const w = f32([2, 1, 1, 1], [1, 2]);
  const fold = (op: string, k: Tensor) =>
    run(foldMulAdd, net([conv, node(op, ['c', 'k'], 'y')], { w, k }, [1, 1, 2, 2]));
  const good = await fold('Div', f32([2, 1, 1], [2, 4]));
  assert.deepEqual(
    good.model.graph.initializers.get(good.model.graph.nodes[0]!.inputs[1]!)!.numbers(),
    [0.5, 0.5],
  );
  // [2] runs along the width, not the channels; [1, 1, 1, 1, 1] adds a dimension.
  assert.match((await fold('Mul', f32([2], [1, 2]))).notes[0]!.why, /not one number per channel/);
  assert.match((await fold('Mul', f32([1, 1, 1, 1, 1], [2]))).notes[0]!.why, /more dimensions/);
  assert.match((await fold('Div', f32([], [0]))).notes[0]!.why, /not finite/);
  const inverse = await run(
    foldMulAdd,
    net([conv, node('Div', ['k', 'c'], 'y')], { w, k: f32([], [1]) }, [1, 1, 2, 2]),
  );
  assert.equal(inverse.modified, false);
});

test('Pad folds only as zeros around the image', async () => {
  const fold = (pads: number[], value = 0, auto = 'NOTSET') =>
    run(
      foldPad,
      net(
        [node('Pad', ['x', 'p', 'v'], 'q'), node('Conv', ['q', 'w'], 'y', { auto_pad: attr.string(auto) })],
        {
          p: Tensor.int64([8], pads),
          v: f32([], [value]),
          w: f32([1, 1, 1, 1], [1]),
        },
        [1, 1, 4, 4],
      ),
    );
  const { model } = await fold([0, 0, 1, 2, 0, 0, 3, 4]);
  assert.deepEqual(model.graph.nodes[0]!.attributes.get('pads'), attr.ints([1, 2, 3, 4]));
  assert.match((await fold([0, 0, 1, 1, 0, 0, 1, 1], 1)).notes[0]!.why, /zero/);
  assert.match((await fold([0, 1, 0, 0, 0, 0, 0, 0])).notes[0]!.why, /channels/);
  assert.match((await fold([0, 0, -1, 0, 0, 0, 0, 0])).notes[0]!.why, /crops/);
  assert.match((await fold([0, 0, 1, 1, 0, 0, 1, 1], 0, 'SAME_UPPER')).notes[0]!.why, /by itself/);
});

test('what does something is no identity', async () => {
  const keeps = async (nodes: Node[], weights: Record<string, Tensor>, x: Shape) => {
    const { modified, model } = await run(removeIdentity, net(nodes, weights, x));
    assert.equal(modified, false, ops(model).join());
  };
  await keeps([node('Mul', ['x', 'k'], 'h'), node('Relu', ['h'], 'y')], { k: f32([3, 1], [1, 1, 1]) }, [3]);
  await keeps([node('Sub', ['k', 'x'], 'h'), node('Relu', ['h'], 'y')], { k: f32([], [0]) }, [3]);
  await keeps([node('Div', ['k', 'x'], 'h'), node('Relu', ['h'], 'y')], { k: f32([], [1]) }, [3]);
  await keeps(
    [node('Reshape', ['x', 's'], 'h'), node('Relu', ['h'], 'y')],
    { s: Tensor.int64([2], [3, 2]) },
    [2, 3],
  );
  await keeps(
    [node('Transpose', ['x'], 'h', { perm: attr.ints([1, 0]) }), node('Relu', ['h'], 'y')],
    {},
    [2, 2],
  );
  const ints = (...values: number[]) => Tensor.int64([values.length], values);
  const backwards = { s: ints(-1), e: ints(-1000), a: ints(0), k: ints(-1) };
  await keeps([node('Slice', ['x', 's', 'e', 'a', 'k'], 'h'), node('Relu', ['h'], 'y')], backwards, [4]);
  // Input and output of the graph cannot become one.
  await keeps([node('Identity', ['x'], 'y')], {}, [2]);
  const whole = { s: ints(0), e: ints(1000), a: ints(0), k: ints(1) };
  const all = await run(
    removeIdentity,
    net([node('Slice', ['x', 's', 'e', 'a', 'k'], 'h'), node('Relu', ['h'], 'y')], whole, [4]),
  );
  assert.deepEqual(ops(all.model), ['Relu']);
});

test('constants: quantized weights, random numbers and large results stay', async () => {
  const random = node('RandomUniform', [], 'r', { shape: attr.ints([2]) });
  const large = node('Expand', ['k', 's'], 'l');
  const nodes = [
    random,
    node('Neg', ['k'], 'n'),
    node('Mul', ['n', 'k'], 'm'),
    large,
    node('DequantizeLinear', ['q', 'scale'], 'd'),
    node('Sum', ['x', 'r', 'm', 'd'], 'h'),
    node('ReduceSum', ['l'], 't'),
    node('Add', ['h', 't'], 'y'),
  ];
  const { model, notes } = await run(
    foldConstants,
    net(
      nodes,
      {
        k: f32([1], [3]),
        s: Tensor.int64([1], [100_000]),
        q: Tensor.of('int8', [2], Int8Array.of(1, 2)),
        scale: f32([], [0.5]),
      },
      [2],
    ),
  );
  assert.deepEqual(ops(model), ['RandomUniform', 'DequantizeLinear', 'Sum', 'Add']);
  assert.deepEqual(model.graph.initializers.get('m')!.numbers(), [-9]);
  assert.ok(notes.length >= 2);
  const kept = await run(
    foldConstants,
    net([large, node('Add', ['x', 'l'], 'y')], { k: f32([1], [3]), s: Tensor.int64([1], [100_000]) }, [1]),
  );
  assert.equal(kept.modified, false, 'a constant of 400 kB out of one number is not held');
});

test('twins: random nodes, other attributes and outputs of the graph stay', async () => {
  const random = (y: string) => node('RandomUniform', [], y, { shape: attr.ints([2]) });
  const leaky = (y: string, alpha: number) => node('LeakyRelu', ['x'], y, { alpha: attr.float(alpha) });
  const { model } = await run(
    commonSubexpressions,
    net(
      [
        random('a'),
        random('b'),
        leaky('c', 0.1),
        leaky('d', 0.2),
        leaky('e', 0.1),
        node('Sum', ['a', 'b', 'c', 'd', 'e'], 'y'),
      ],
      {},
      [2],
    ),
  );
  assert.deepEqual(ops(model), ['RandomUniform', 'RandomUniform', 'LeakyRelu', 'LeakyRelu', 'Sum']);
  assert.deepEqual(model.graph.nodes.at(-1)!.inputs, ['a', 'b', 'c', 'd', 'c']);
});

test('two Transposes become one, and a Reshape that copies a dimension is not moved', async () => {
  const turn = (x: string, y: string, perm: number[]) => node('Transpose', [x], y, { perm: attr.ints(perm) });
  const { model } = await run(
    mergeShapeOps,
    net([turn('x', 'a', [1, 2, 0]), turn('a', 'y', [1, 2, 0])], {}, [2, 3, 4]),
  );
  assert.deepEqual(model.graph.nodes.at(-1)!.attributes.get('perm'), attr.ints([2, 0, 1]));
  const zero = net(
    [node('Flatten', ['x'], 'a'), node('Reshape', ['a', 's'], 'y')],
    { s: Tensor.int64([3], [0, 3, 4]) },
    [2, 3, 4],
  );
  assert.equal((await run(mergeShapeOps, zero)).modified, false);
});

test('a Squeeze takes back an Unsqueeze of the same axes only', async () => {
  const axes = (...values: number[]) => Tensor.int64([values.length], values);
  const chain = (first: Tensor, second: Tensor) =>
    net(
      [node('Unsqueeze', ['x', 'a'], 'h'), node('Squeeze', ['h', 'b'], 's'), node('Relu', ['s'], 'y')],
      { a: first, b: second },
      [1, 2],
    );
  const { model } = await run(mergeShapeOps, chain(axes(0, 2), axes(2, 0)));
  assert.deepEqual(model.graph.nodes[1]!.op, 'Identity');
  assert.deepEqual(model.graph.nodes[1]!.inputs, ['x']);
  assert.equal((await run(mergeShapeOps, chain(axes(0), axes(1)))).modified, false);
});

test('batch normalization before a layer: by hand, and not into padded convolutions', async () => {
  // a = [1, 1], b = [-0.5, -3]; with gamma [4, 6]: a = [2, 2], b = [-1.5, -5].
  const own = { ...BN, gamma: f32([2], [4, 6]) };
  const conv = (pads: number[]) =>
    node('Conv', ['n', 'w'], 'y', { kernel_shape: attr.ints([1, 1]), pads: attr.ints(pads) });
  const w = f32([1, 2, 1, 1], [10, 100]);
  const { model } = await run(
    foldBatchNormBefore,
    net([bn('x', 'n'), conv([0, 0, 0, 0])], { ...own, w }, [1, 2, 2, 2]),
  );
  const [only] = model.graph.nodes;
  assert.deepEqual(only!.inputs[0], 'x');
  assert.deepEqual(model.graph.initializers.get(only!.inputs[1]!)!.numbers(), [20, 200]);
  assert.deepEqual(model.graph.initializers.get(only!.inputs[2]!)!.numbers(), [-515]);
  const padded = await run(
    foldBatchNormBefore,
    net([bn('x', 'n'), conv([1, 1, 1, 1])], { ...own, w }, [1, 2, 2, 2]),
  );
  assert.equal(padded.modified, false);
  assert.match(padded.notes[0]!.why, /pads with zeros/);
});
