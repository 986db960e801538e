import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answers, assertFused, between, context, quantized, SQUARE } from '../../../test/fusion-nets.ts';
import { mlp, Net, sqnr } from '../../../test/quantize-nets.ts';
import { SILENT } from '../../base/index.ts';
import { attr, type Model, Tensor } from '../../graph/index.ts';
import { DYNAMIC_DEFAULTS, dynamicQuantization } from './dynamic.ts';
import { checkFusion } from './fusion.ts';
import { STATIC_DEFAULTS, staticQuantization } from './static.ts';
import { WEIGHT_ONLY_DEFAULTS, weightOnlyQuantization } from './weight-only.ts';

/*
 * What ONNX Runtime fuses is the knowledge that this room stands on: each case quantizes a small net and looks at what the
 * runtime really executes.
 */

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
