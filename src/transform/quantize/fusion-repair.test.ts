import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  answers,
  assertFused,
  between,
  FED,
  quantized,
  SQUARE,
  statusOf,
} from '../../../test/fusion-nets.ts';
import { convNet, mlp, Net, sqnr } from '../../../test/quantize-nets.ts';
import { attr, cloneModel, type Model, makeNode, type Node, Tensor } from '../../graph/index.ts';
import { checkFusion } from './fusion.ts';
import { repairFusion } from './fusion-repair.ts';

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
