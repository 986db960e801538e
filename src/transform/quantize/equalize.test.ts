import assert from 'node:assert/strict';
import { test } from 'node:test';
import { convNet, mlp, Net, normalData, normals, sqnr } from '../../../test/quantize-nets.ts';
import { Random, SILENT } from '../../base/index.ts';
import { assertValid, attr, encodeModel, type Model, Tensor } from '../../graph/index.ts';
import { openSession } from '../../run/index.ts';
import { equalization } from './equalize.ts';
import { STATIC_DEFAULTS, staticQuantization } from './static.ts';

const IMAGE = [3, 16, 16];
const context = (dims: readonly number[]) => ({
  progress: SILENT,
  seed: 1,
  calibration: normalData(dims, 64),
});

async function answer(model: Model, dims: readonly number[]): Promise<Tensor> {
  const session = await openSession(model, { threads: 1, level: 'disabled' });
  try {
    return (await session.run({ x: normals(new Random(3), dims) }))[session.outputs[0]!.name]!;
  } finally {
    await session.dispose();
  }
}

/** Channels of the first layer that differ a hundredfold, a depthwise and a dense layer behind. */
function uneven(): Model {
  const net = new Net(2);
  const spread = Float32Array.from(
    { length: 16 * 27 },
    (_, i) => net.random.normal() * 10 ** -(((i / 27) % 3) | 0),
  );
  const first = net.op('Conv', [
    'x',
    net.constant(Tensor.float32([16, 3, 3, 3], spread)),
    net.weight([16], 0.01),
  ]);
  const pooled = net.op('MaxPool', [net.relu(first)], { kernel_shape: attr.ints([2, 2]) });
  // What is small before the depthwise layer is as large as the rest behind it: it matters.
  const inverse = Float32Array.from(
    { length: 16 * 9 },
    (_, i) => net.random.normal() * 10 ** (((i / 9) % 3) | 0),
  );
  const deep = net.op('Conv', [pooled, net.constant(Tensor.float32([16, 1, 3, 3], inverse))], {
    group: attr.int(16),
  });
  return net.model(['N', ...IMAGE], [net.conv(net.relu(deep), 16, 8)]);
}

test('the float model answers the same: factors are powers of two', async () => {
  for (const [model, dims] of [
    [uneven(), IMAGE],
    [convNet(3), IMAGE],
    [mlp(2), [32]],
  ] as const) {
    const before = encodeModel(model);
    const made = await equalization.apply(model, equalization.defaults, context(dims));
    assert.ok(made.modified);
    assertValid(made.model);
    assert.deepEqual(encodeModel(model), before, 'the input is left alone');
    const [wanted, got] = [await answer(model, [4, ...dims]), await answer(made.model, [4, ...dims])];
    assert.deepEqual(got.numbers(), wanted.numbers());
  }
});

test('uneven channels: 8 bits lose much less afterwards', async () => {
  const float = uneven();
  const plain = await staticQuantization.apply(float, STATIC_DEFAULTS, context(IMAGE));
  const even = await equalization.apply(float, equalization.defaults, context(IMAGE));
  const made = await staticQuantization.apply(even.model, STATIC_DEFAULTS, context(IMAGE));
  const wanted = await answer(float, [8, ...IMAGE]);
  const before = sqnr(wanted, await answer(plain.model, [8, ...IMAGE]));
  const after = sqnr(wanted, await answer(made.model, [8, ...IMAGE]));
  assert.ok(after > before + 3, `${before} dB before, ${after} dB after`);
});

test('values with another reader, graph outputs and bounded activations are left alone', async () => {
  const net = new Net(4);
  const a = net.relu(net.conv('x', 3, 8));
  const b = net.conv(a, 8, 8);
  const clipped = net.op('Clip', [
    net.conv(b, 8, 8),
    net.constant(Tensor.float32([], [0])),
    net.constant(Tensor.float32([], [6])),
  ]);
  const c = net.conv(clipped, 8, 8);
  const model = net.model(['N', ...IMAGE], [net.op('Add', [c, a]), b]);
  const made = await equalization.apply(model, equalization.defaults, context(IMAGE));
  assert.equal(made.modified, false);
  assert.equal(made.model, model);
});

test('LeakyRelu, PRelu and a pool between; a chain with a depthwise layer is evened out at each link', async () => {
  const net = new Net(9);
  const spread = Float32Array.from(
    { length: 8 * 8 * 9 },
    (_, i) => net.random.normal() * 4 ** (((i / 72) % 4) | 0),
  );
  const first = net.op('Conv', [net.conv('x', 3, 8, 1), net.constant(Tensor.float32([8, 8, 3, 3], spread))]);
  const leaky = net.op('LeakyRelu', [first], { alpha: attr.float(0.1) });
  const deep = net.conv(leaky, 8, 8, 3, 8);
  const slope = net.weight([8, 1, 1], 0.1);
  const pooled = net.op('MaxPool', [net.op('PRelu', [deep, slope])], { kernel_shape: attr.ints([2, 2]) });
  const model = net.model(['N', ...IMAGE], [net.conv(net.conv(pooled, 8, 8), 8, 4)]);
  const made = await equalization.apply(model, equalization.defaults, context(IMAGE));
  const [, ...behind] = model.graph.nodes.filter(({ op }) => op === 'Conv').map(({ name }) => name);
  const changed = made.notes.map(({ node }) => node);
  for (const name of behind.slice(0, 2)) assert.ok(changed.includes(name), `${name} among ${changed}`);
  const x = [4, ...IMAGE];
  assert.deepEqual((await answer(made.model, x)).numbers(), (await answer(model, x)).numbers());
});

test('weights of Constant nodes, and those that another operator reads, are left alone', async () => {
  for (const kind of ['constant', 'read']) {
    const net = new Net(5);
    const spread = Float32Array.from({ length: 24 }, (_, i) => 3 ** Math.floor(i / 3));
    const tensor = Tensor.float32([8, 3, 1, 1], spread);
    const weight =
      kind === 'constant'
        ? net.op('Constant', [], { value: { type: 'tensor', value: tensor } })
        : net.constant(tensor);
    const y = net.conv(net.relu(net.op('Conv', ['x', weight])), 8, 4);
    const outputs = kind === 'read' ? [y, net.op('ReduceMax', [weight])] : [y];
    const model = net.model(['N', ...IMAGE], outputs);
    const made = await equalization.apply(model, equalization.defaults, context(IMAGE));
    assert.equal(made.modified, false, kind);
  }
});

test('weights that two layers share are left alone', async () => {
  const net = new Net(5);
  const shared = net.weight([8, 8, 1, 1]);
  const a = net.relu(net.op('Conv', [net.conv('x', 3, 8), shared]));
  const model = net.model(['N', ...IMAGE], [net.op('Conv', [a, shared])]);
  const made = await equalization.apply(model, equalization.defaults, context(IMAGE));
  assert.equal(made.modified, false);
});
