import assert from 'node:assert/strict';
import { test } from 'node:test';
import { convNet, mlp, Net, normalData, normals, sqnr } from '../../../test/quantize-nets.ts';
import { Random, SILENT } from '../../base/index.ts';
import { attr, cloneModel, type Dim, type Model, makeNode, type Node, Tensor } from '../../graph/index.ts';
import { openSession } from '../../run/index.ts';
import { DYNAMIC_DEFAULTS, dynamicQuantization } from './dynamic.ts';
import { checkFusion } from './fusion.ts';
import { repairFusion } from './fusion-repair.ts';
import type { FusionReport } from './fusion-report.ts';
import { STATIC_DEFAULTS, type StaticOptions, staticQuantization } from './static.ts';
import { WEIGHT_ONLY_DEFAULTS, weightOnlyQuantization } from './weight-only.ts';

/*
 * What ONNX Runtime fuses is the knowledge that this room stands on: each case quantizes a small net and looks at what the
 * runtime really executes.
 */

const context = (dims: readonly number[]) => ({
  progress: SILENT,
  seed: 1,
  calibration: normalData(dims, 128),
});

async function quantized(model: Model, dims: readonly number[], options: Partial<StaticOptions> = {}) {
  const all = { ...STATIC_DEFAULTS, check: false, biasCorrection: false, ...options };
  return (await staticQuantization.apply(model, all, context(dims))).model;
}

async function answers(model: Model, dims: readonly number[], seed = 5): Promise<Tensor[]> {
  const session = await openSession(model, { threads: 1 });
  try {
    const got = await session.run({ x: normals(new Random(seed), dims) });
    return session.outputs.map(({ name }) => got[name]!);
  } finally {
    await session.dispose();
  }
}

const statusOf = (report: FusionReport, name: string) =>
  report.nodes.find((node) => node.name.startsWith(name));

/** All nodes fused, and these operators among the executed. */
function assertFused(report: FusionReport, ...ops: string[]): void {
  const loose = report.nodes.filter(({ status }) => status !== 'fused');
  assert.deepEqual(loose, [], 'every node fuses');
  for (const op of ops) assert.ok(report.executed[op], `${op} among ${Object.keys(report.executed)}`);
}

const SQUARE = [8, 6, 6] as const;
const FED: Dim[] = ['N', ...SQUARE];

/** A convolution, the case, a convolution. */
function between(build: (net: Net, x: string) => string, channels = 8, opset = 17): Model {
  const net = new Net(3);
  const x = build(net, net.relu(net.conv('x', 8, 8)));
  return net.model(FED, [net.conv(x, channels, 4, 1)], opset);
}

const CASES: Record<string, { ops: string[]; model: () => Model; dims?: readonly number[] }> = {
  'Conv, grouped': {
    ops: ['QLinearConv'],
    model: () => between((net, x) => net.conv(x, 8, 8, 3, 2)),
  },
  'Conv, depthwise': { ops: ['QLinearConv'], model: () => between((net, x) => net.conv(x, 8, 8, 3, 8)) },
  'Conv, 1-D': {
    ops: ['QLinearConv'],
    dims: [4, 20],
    model: () => {
      const net = new Net(1);
      const a = net.relu(net.op('Conv', ['x', net.weight([6, 4, 3], 0.4), net.weight([6])]));
      return net.model(['N', 4, 20], [net.op('Conv', [a, net.weight([3, 6, 3], 0.4)])]);
    },
  },
  'Conv with Clip to [0, 6]': {
    ops: ['QLinearConv'],
    model: () => between((net, x) => net.op('Clip', [net.conv(x, 8, 8), low(net, 0), low(net, 6)])),
  },
  'Conv with Clip to [-1, 1]': {
    ops: ['QLinearConv'],
    model: () => between((net, x) => net.op('Clip', [net.conv(x, 8, 8), low(net, -1), low(net, 1)])),
  },
  'Add, with Relu': {
    ops: ['QLinearAdd'],
    model: () => between((net, x) => net.relu(net.op('Add', [net.conv(x, 8, 8), x]))),
  },
  'Mul by a constant': {
    ops: ['QLinearMul'],
    model: () => between((net, x) => net.op('Mul', [x, net.weight([8, 1, 1])])),
  },
  'Mul by Sigmoid': {
    ops: ['QLinearMul', 'QLinearSigmoid'],
    model: () => between((net, x) => net.op('Mul', [x, net.op('Sigmoid', [x])])),
  },
  Concat: {
    ops: ['QLinearConcat'],
    model: () => between((net, x) => net.op('Concat', [x, net.conv(x, 8, 4)], { axis: attr.int(1) }), 12),
  },
  AveragePool: {
    ops: ['QLinearAveragePool'],
    model: () => between((net, x) => net.op('AveragePool', [x], { kernel_shape: attr.ints([2, 2]) })),
  },
  GlobalAveragePool: {
    ops: ['QLinearGlobalAveragePool'],
    model: () => between((net, x) => net.op('GlobalAveragePool', [x])),
  },
  LeakyRelu: {
    ops: ['QLinearLeakyRelu'],
    model: () => between((net, x) => net.op('LeakyRelu', [net.conv(x, 8, 8)])),
  },
  Softmax: {
    ops: ['QLinearSoftmax'],
    model: () => between((net, x) => net.op('Softmax', [x], { axis: attr.int(-1) })),
  },
  Where: {
    ops: ['QLinearWhere'],
    model: () =>
      between((net, x) => {
        const mask = net.constant(
          Tensor.of(
            'bool',
            [6, 6],
            Uint8Array.from({ length: 36 }, (_, i) => i % 2),
          ),
        );
        return net.op('Where', [mask, x, net.conv(x, 8, 8)]);
      }),
  },
  MaxPool: {
    ops: ['MaxPool'],
    model: () => between((net, x) => net.op('MaxPool', [x], { kernel_shape: attr.ints([2, 2]) })),
  },
  Reshape: {
    ops: ['Reshape'],
    model: () => between((net, x) => net.op('Reshape', [x, ints(net, [0, 8, 9, 4])])),
  },
  Transpose: {
    ops: ['Transpose'],
    model: () => between((net, x) => net.op('Transpose', [x], { perm: attr.ints([0, 1, 3, 2]) })),
  },
  'Squeeze and Unsqueeze': {
    ops: ['Squeeze', 'Unsqueeze'],
    model: () =>
      between((net, x) => {
        const pooled = net.op('Slice', [x, ints(net, [0]), ints(net, [1]), ints(net, [2])]);
        const thin = net.op('Squeeze', [pooled, ints(net, [2])]);
        return net.op('Unsqueeze', [thin, ints(net, [2])]);
      }),
  },
  Slice: {
    ops: ['Slice'],
    model: () => between((net, x) => net.op('Slice', [x, ints(net, [0]), ints(net, [4]), ints(net, [3])])),
  },
  Gather: {
    ops: ['Gather'],
    model: () => between((net, x) => net.op('Gather', [x, ints(net, [3, 0])], { axis: attr.int(2) })),
  },
  Expand: {
    ops: ['Expand'],
    model: () =>
      between((net, x) => net.op('Expand', [net.op('GlobalAveragePool', [x]), ints(net, [1, 8, 3, 3])])),
  },
  Tile: { ops: ['Tile'], model: () => between((net, x) => net.op('Tile', [x, ints(net, [1, 1, 2, 1])])) },
  'Resize to nearest': {
    ops: ['Resize'],
    model: () =>
      between((net, x) =>
        net.op('Resize', [x, '', net.constant(Tensor.float32([4], [1, 1, 2, 2]))], {
          mode: attr.string('nearest'),
        }),
      ),
  },
  DepthToSpace: {
    ops: ['DepthToSpace'],
    model: () => between((net, x) => net.op('DepthToSpace', [x], { blocksize: attr.int(2) }), 2),
  },
  Split: {
    ops: ['Split'],
    model: () =>
      between((net, x) => {
        net.op('Split', [x, ints(net, [4, 4])], { axis: attr.int(1) }, ['left', 'right']);
        return net.op('Add', ['left', 'right']);
      }, 4),
  },
  'Gemm, transB and not': { ops: ['QGemm'], dims: [32], model: () => mlp() },
  'MatMul, answer quantized and not': {
    ops: ['QLinearMatMul', 'MatMulIntegerToFloat'],
    dims: [5, 16],
    model: () => {
      const net = new Net(2);
      const a = net.matmul('x', 16, 24);
      return net.model(['N', 5, 16], [net.matmul(a, 24, 8)]);
    },
  },
  'MatMul with Relu': {
    ops: ['QLinearMatMul'],
    dims: [5, 16],
    model: () => {
      const net = new Net(2);
      return net.model(['N', 5, 16], [net.matmul(net.relu(net.matmul('x', 16, 24)), 24, 8)]);
    },
  },
  'MatMul and Add of a row, rank 3': {
    ops: ['QGemm'],
    dims: [5, 16],
    model: () => {
      const net = new Net(2);
      const a = net.op('Add', [net.matmul('x', 16, 24), net.weight([24])]);
      return net.model([2, 5, 16], [net.op('Add', [net.matmul(net.relu(a), 24, 8), net.weight([8])])]);
    },
  },
  'products of two activations': {
    ops: ['MatMulIntegerToFloat'],
    dims: [5, 16],
    model: () => {
      const net = new Net(2);
      const [q, k] = [net.matmul('x', 16, 8), net.matmul('x', 16, 8)];
      const turned = net.op('Transpose', [k], { perm: attr.ints([0, 2, 1]) });
      return net.model(['N', 5, 16], [net.op('MatMul', [q, turned])]);
    },
  },
};

function low(net: Net, value: number): string {
  return net.constant(Tensor.float32([], [value]));
}

function ints(net: Net, values: number[]): string {
  return net.constant(Tensor.int64([values.length], values));
}

for (const [name, { ops, model, dims = SQUARE }] of Object.entries(CASES)) {
  test(`fuses: ${name}`, async () => {
    const float = model();
    const made = await quantized(float, dims);
    assertFused(await checkFusion(made), ...ops);
    const feed = [2, ...dims];
    const [wanted, got] = [await answers(float, feed), await answers(made, feed)];
    assert.ok(sqnr(wanted[0]!, got[0]!) > 22, `${sqnr(wanted[0]!, got[0]!)} dB`);
  });
}

for (const opset of [13, 19, 21]) {
  test(`fuses at opset ${opset}`, async () => {
    const made = await quantized(
      between(
        (net, x) => net.op('MaxPool', [net.conv(x, 8, 8)], { kernel_shape: attr.ints([2, 2]) }),
        8,
        opset,
      ),
      SQUARE,
    );
    assertFused(await checkFusion(made), 'QLinearConv', 'MaxPool');
  });
}

test('what never fuses stays in float, without Q and DQ of its own', async () => {
  const net = new Net(4);
  const a = net.matmul('x', 16, 24);
  const normed = net.op('LayerNormalization', [a, net.weight([24], 0.1, 1), net.weight([24], 0.1)]);
  const shaped = net.op('Tanh', [normed]);
  const float = net.model(['N', 5, 16], [net.matmul(shaped, 24, 8)]);
  const made = await quantized(float, [5, 16]);
  const report = await checkFusion(made);
  assertFused(report, 'LayerNormalization', 'Tanh');
  assert.equal(report.executed.MatMulIntegerToFloat, 2);
  assert.equal(report.executed.QuantizeLinear, 2, 'one for the input and one before the last product');
  assert.equal(report.executed.DequantizeLinear, undefined);
});

test('Gemm with alpha or beta, Resize linear and old MaxPool are refused with the reason', async () => {
  const net = new Net(4);
  const scaled = net.op('Gemm', ['x', net.weight([16, 16])], { alpha: attr.float(0.5) });
  const model = net.model(['N', 16], [net.gemm(scaled, 16, 4)]);
  const { notes } = await staticQuantization.apply(model, STATIC_DEFAULTS, context([16]));
  const refused = notes.filter(({ action }) => action === 'refused');
  assert.equal(refused.length, 1);
  assert.match(refused[0]!.why, /alpha/);
});

/** Changes the first QuantizeLinear behind a node, and all that reads it, to these parameters. */
function plantParams(model: Model, behind: Node, scale: number, zero: number): void {
  const { graph } = model;
  const q = graph.nodes.find((node) => node.op === 'QuantizeLinear' && node.inputs[0] === behind.outputs[0])!;
  graph.initializers.set('planted_scale', Tensor.float32([], [scale]));
  graph.initializers.set('planted_zero', Tensor.of('uint8', [], Uint8Array.of(zero)));
  for (const node of graph.nodes) {
    if (node !== q && !(node.op === 'DequantizeLinear' && node.inputs[0] === q.outputs[0])) continue;
    node.inputs = [node.inputs[0]!, 'planted_scale', 'planted_zero'];
  }
}

const byOp = (model: Model, op: string, n = 0) => model.graph.nodes.filter((node) => node.op === op)[n]!;

test('planted: a zero point that keeps Relu alive is found, named and repaired', async () => {
  const float = between((net, x) => net.relu(net.conv(x, 8, 8)));
  const planted = await quantized(float, SQUARE);
  plantParams(planted, byOp(planted, 'Relu', 1), 0.05, 128);
  const before = await checkFusion(planted);
  const broken = before.nodes.filter(({ status }) => status === 'not-fused');
  assert.equal(
    broken.length,
    2,
    'the Conv behind Relu, and the next, whose bias stands at another scale now',
  );
  assert.match(broken[0]!.why!, /Relu/);
  assert.match(broken[1]!.why!, /bias/);
  const { model, report } = await repairFusion(planted, { original: float });
  assertFused(report, 'QLinearConv');
  assert.ok(report.repaired.every(({ reverted }) => !reverted));
  const [wanted, got] = [await answers(float, [2, ...SQUARE]), await answers(model, [2, ...SQUARE])];
  assert.ok(sqnr(wanted[0]!, got[0]!) > 22);
});

test('planted: other scales behind a MaxPool are found and shared again', async () => {
  const float = between((net, x) => net.op('MaxPool', [x], { kernel_shape: attr.ints([2, 2]) }));
  const planted = await quantized(float, SQUARE);
  plantParams(planted, byOp(planted, 'MaxPool'), 0.07, 3);
  assert.match(statusOf(await checkFusion(planted), 'MaxPool')!.why!, /differ/);
  const { report } = await repairFusion(planted);
  assertFused(report, 'MaxPool', 'QLinearConv');
});

test('planted: a float bias of a Gemm with a float answer becomes int32', async () => {
  const float = mlp(3);
  const planted = await quantized(float, [32]);
  const last = planted.graph.nodes.filter(({ op }) => op === 'Gemm').at(-1)!;
  const original = float.graph.nodes.filter(({ op }) => op === 'Gemm').at(-1)!;
  planted.graph.initializers.set('float_bias', float.graph.initializers.get(original.inputs[2]!)!);
  last.inputs[2] = 'float_bias';
  assert.match(statusOf(await checkFusion(planted), last.name)!.why!, /bias is float/);
  const { report, model } = await repairFusion(planted);
  assertFused(report, 'QGemm');
  const [wanted, got] = [await answers(float, [4, 32]), await answers(model, [4, 32])];
  assert.ok(sqnr(wanted[0]!, got[0]!) > 24, `${sqnr(wanted[0]!, got[0]!)} dB`);
});

test('planted: a Conv without a Q behind it goes back to float, with the original weights', async () => {
  const float = between((_, x) => x);
  const planted = await quantized(float, SQUARE);
  // The Q and DQ at the end are taken away: the last Conv answers in float.
  const { graph } = planted;
  const last = graph.nodes.filter(({ op }) => op === 'Conv').at(-1)!;
  const q = graph.nodes.find((node) => node.op === 'QuantizeLinear' && node.inputs[0] === last.outputs[0])!;
  graph.nodes = graph.nodes.filter((node) => node !== q && node.inputs[0] !== q.outputs[0]);
  last.outputs[0] = graph.outputs[0]!.name;
  const before = statusOf(await checkFusion(planted), last.name)!;
  assert.equal(before.status, 'not-fused');
  assert.match(before.why!, /no QuantizeLinear/);
  const { model, report } = await repairFusion(planted, { original: float });
  assertFused(report, 'QLinearConv', 'Conv');
  assert.ok(report.repaired.some(({ reverted, node }) => reverted && node === last.name));
  const node = model.graph.nodes.find(({ name }) => name === last.name)!;
  const original = float.graph.nodes.find(({ name }) => name === last.name)!;
  assert.deepEqual(
    model.graph.initializers.get(node.inputs[1]!)!.bytes(),
    float.graph.initializers.get(original.inputs[1]!)!.bytes(),
  );
});

test('Q and DQ around a node that never fuses: by right between two integer nodes, useless elsewhere', async () => {
  const net = new Net(5);
  const float = net.model(FED, [net.op('Tanh', [net.conv(net.op('Tanh', [net.conv('x', 8, 8)]), 8, 8)])]);
  const planted = await quantized(float, SQUARE);
  assertFused(await checkFusion(planted), 'Tanh');
  // The last Tanh gets a pair behind it that nobody needs.
  const { graph } = planted;
  const last = graph.nodes.filter(({ op }) => op === 'Tanh').at(-1)!;
  const output = last.outputs[0]!;
  last.outputs[0] = 'raw';
  graph.initializers.set('s', Tensor.float32([], [1 / 127]));
  graph.initializers.set('z', Tensor.of('uint8', [], Uint8Array.of(128)));
  graph.nodes.push(makeNode('QuantizeLinear', ['raw', 's', 'z'], ['q'], {}, { name: 'useless_q' }));
  graph.nodes.push(makeNode('DequantizeLinear', ['q', 's', 'z'], [output], {}, { name: 'useless_dq' }));
  const found = statusOf(await checkFusion(planted), last.name)!;
  assert.match(found.why!, /no 8-bit kernel/);
  const { report, model } = await repairFusion(planted, { original: float });
  assertFused(report, 'Tanh');
  assert.ok(!model.graph.nodes.some(({ name }) => name.startsWith('useless')));
  assert.deepEqual(
    model.graph.outputs.map(({ name }) => name),
    float.graph.outputs.map(({ name }) => name),
  );
});

test('planted: scales along the wrong axis of a square MatMul fuse, and are found all the same', async () => {
  const net = new Net(6);
  const float = net.model(['N', 16], [net.matmul(net.matmul('x', 16, 16), 16, 4)]);
  const planted = await quantized(float, [16]);
  const dq = planted.graph.nodes.find(
    (node) => node.op === 'DequantizeLinear' && node.outputs[0] === byOp(planted, 'MatMul').inputs[1],
  )!;
  dq.attributes.set('axis', attr.int(0));
  const found = statusOf(await checkFusion(planted), byOp(planted, 'MatMul').name)!;
  assert.equal(found.status, 'wrong');
  assert.match(found.why!, /axis/);
  const { model, report } = await repairFusion(planted, { original: float });
  assertFused(report);
  const [wanted, got] = [await answers(float, [4, 16]), await answers(model, [4, 16])];
  assert.ok(sqnr(wanted[0]!, got[0]!) > 25, 'and mended');
});

test('int8 activations that several nodes read: x64 leaves them in pieces, uint8 repairs it', async () => {
  const float = convNet(2);
  const planted = await quantized(float, [3, 16, 16], { activations: 'int8' });
  const { model, report } = await repairFusion(planted, { original: float });
  assertFused(report, 'QLinearConv', 'QLinearAdd');
  const [wanted, got] = [await answers(float, [2, 3, 16, 16]), await answers(model, [2, 3, 16, 16])];
  assert.ok(sqnr(wanted[0]!, got[0]!) > 25);
});

test('a repair leaves its input alone', async () => {
  const planted = await quantized(convNet(2), [3, 16, 16], { activations: 'int8' });
  const kept = cloneModel(planted);
  await repairFusion(planted);
  assert.deepEqual(planted, kept);
});

test('dynamic: products fuse, also where several share an input', async () => {
  const net = new Net(7);
  const parts = [net.matmul('x', 16, 8), net.matmul('x', 16, 8), net.matmul('x', 16, 8)];
  const shared = net.model(['N', 16], parts);
  const made = await dynamicQuantization.apply(shared, DYNAMIC_DEFAULTS, { progress: SILENT, seed: 1 });
  assertFused(made.fusion!, 'DynamicQuantizeLinear', 'MatMulIntegerToFloat');
  const single = await dynamicQuantization.apply(mlp(), DYNAMIC_DEFAULTS, { progress: SILENT, seed: 1 });
  assertFused(single.fusion!, 'DynamicQuantizeMatMul');
});

test('weight-only: MatMulNBits executes as itself', async () => {
  const made = await weightOnlyQuantization.apply(mlp(), WEIGHT_ONLY_DEFAULTS, { progress: SILENT, seed: 1 });
  assertFused(made.fusion!, 'MatMulNBits');
});
