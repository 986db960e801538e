import assert from 'node:assert/strict';
import { test } from 'node:test';
import { convNet, mlp, Net, normalData, normals, sqnr } from '../../../test/quantize-nets.ts';
import { Random, SILENT } from '../../base/index.ts';
import { assertValid, encodeModel, type Model, type Tensor } from '../../graph/index.ts';
import { openSession } from '../../run/index.ts';
import { STATIC_DEFAULTS, staticQuantization } from '../quantize/static.ts';
import { HALF_DEFAULTS, halfPrecision } from './fp16.ts';
import { mixLayers } from './layers.ts';
import { MIXED_DEFAULTS, type MixedOptions, mixedPrecision, withFollowers } from './mixed-precision.ts';
import type { Assignment, Precision } from './precision.ts';

const IMAGE = [3, 16, 16];
const context = (dims: readonly number[]) => ({
  progress: SILENT,
  seed: 1,
  calibration: normalData(dims, 48),
});
const mix = (model: Model, dims: readonly number[], options: Partial<MixedOptions>, at = context(dims)) =>
  mixedPrecision.apply(model, { ...MIXED_DEFAULTS, ...options }, at);

async function answer(model: Model, x: Tensor): Promise<Tensor> {
  const session = await openSession(model, { threads: 1 });
  try {
    return Object.values(await session.run({ x }))[0]!;
  } finally {
    await session.dispose();
  }
}
const bytes = (model: Model) => Buffer.from(encodeModel(model));

test('layers: what can run in what, and a weight that two read makes one layer', () => {
  const layers = mixLayers(convNet());
  assert.equal(layers.length, 6);
  assert.ok(layers.every(({ op, precisions }) => op !== 'Conv' || precisions.join() === 'fp32,fp16,int8'));
  assert.deepEqual(layers[0]!.tail.length, 1, 'the Relu goes with it');
  assert.equal(layers.at(-1)!.precisions.join(), 'fp32,fp16,int8', '160 weights are too few for blocks');
  assert.deepEqual(
    mixLayers(mlp()).map(({ precisions }) => precisions.join()),
    ['fp32,fp16,int8,int4', 'fp32,fp16,int8,int4', 'fp32,fp16,int8'],
  );
  const net = new Net(1);
  const weight = net.weight([32, 32], 0.2);
  const tied = net.model(['N', 32], [net.op('MatMul', [net.relu(net.op('MatMul', ['x', weight])), weight])]);
  assert.deepEqual(
    mixLayers(tied).map(({ nodes }) => nodes.length),
    [2],
  );
});

test('one precision for all is what the passes make by themselves', async () => {
  const model = convNet();
  const at = context(IMAGE);
  const alone = await staticQuantization.apply(model, STATIC_DEFAULTS, at);
  const all = await mix(model, IMAGE, { otherwise: 'int8' }, at);
  assert.ok(bytes(alone.model).equals(bytes(all.model)));
  const half = await halfPrecision.apply(model, HALF_DEFAULTS, at);
  const halves = await mix(model, IMAGE, { otherwise: 'fp16' }, at);
  assert.ok(bytes(half.model).equals(bytes(halves.model)));
  const none = await mix(model, IMAGE, { otherwise: 'fp32' }, at);
  assert.ok(!none.modified && none.model === model);
});

test('a precision for each layer: every one computes as it should, the input is left alone, twice is the same', async () => {
  const net = new Net(6);
  const widths = [32, 64, 64, 64, 64, 10];
  let value = 'x';
  for (let i = 0; i + 1 < widths.length; i++) {
    value = net.gemm(value, widths[i]!, widths[i + 1]!, true);
    if (i + 2 < widths.length) value = net.relu(value);
  }
  const model = net.model(['N', 32], [value]);
  const before = bytes(model);
  const ids = mixLayers(model).map(({ id }) => id);
  const chosen: Precision[] = ['int8', 'int4', 'fp16', 'fp16', 'fp32'];
  const assignment: Assignment = Object.fromEntries(ids.map((id, i) => [id, chosen[i]!]));
  const { model: mixed, notes, fusion } = await mix(model, [32], { assignment });
  assert.ok(bytes(model).equals(before), 'the input was changed');
  assertValid(mixed);
  const kinds = mixed.graph.nodes.map(({ op }) => op);
  assert.equal(kinds.filter((op) => op === 'MatMulNBits').length, 1);
  assert.ok(kinds.includes('DequantizeLinear') && kinds.includes('Cast'));
  assert.equal(
    kinds.filter((op) => op === 'Cast').length,
    2,
    'two layers in float16 after another take two casts',
  );
  assert.deepEqual(
    fusion?.nodes
      .filter(({ status }) => status === 'fused')
      .map(({ name }) => name)
      .sort(),
    ids.slice(0, 2).sort(),
  );
  const weightOf = (id: string) => mixed.graph.nodes.find(({ name }) => name === id)!.inputs[1]!;
  assert.equal(mixed.graph.initializers.get(weightOf(ids[2]!))!.dtype, 'float16');
  assert.equal(
    mixed.graph.initializers.get(weightOf(ids[4]!)),
    model.graph.initializers.get(weightOf(ids[4]!)),
  );
  for (const id of ids.slice(0, 4))
    assert.ok(notes.some(({ node, action }) => node === id && action === 'changed'));
  const x = normals(new Random(9), [16, 32]);
  const [wanted, got] = [await answer(model, x), await answer(mixed, x)];
  assert.ok(sqnr(wanted, got) > 12);
  const again = await mix(model, [32], { assignment });
  assert.ok(bytes(again.model).equals(bytes(mixed)), 'the same again');
});

test('what cannot be had is said: wrong names, wrong words, no data, nothing that fits', async () => {
  const model = mlp();
  const { notes } = await mix(model, [32], { assignment: { nowhere: 'int8' }, otherwise: 'fp16' });
  assert.match(notes.find(({ node }) => node === 'nowhere')!.why, /no heavy node/);
  await assert.rejects(mix(model, [32], { otherwise: 'int3' as Precision }), { code: 'USAGE_BAD_OPTION' });
  await assert.rejects(
    mixedPrecision.apply(model, { ...MIXED_DEFAULTS, otherwise: 'int8' }, { progress: SILENT, seed: 1 }),
    {
      code: 'CALIBRATION_NEEDED',
    },
  );
  await assert.rejects(
    mix(convNet(), IMAGE, { assignment: { Conv_2: 'int4' } }),
    (thrown: Error & { code?: string }) => {
      assert.equal(thrown.code, 'NOTHING_TO_QUANTIZE');
      return true;
    },
  );
});

test('light nodes follow what makes their inputs, and what alone reads their outputs', () => {
  const net = new Net(3);
  const scaled = net.op('Mul', ['x', net.weight([8], 1)]);
  const a = net.relu(net.matmul(scaled, 8, 8));
  const b = net.matmul(a, 8, 8);
  const sum = net.op('Add', [a, b]);
  const last = net.op('Tanh', [net.matmul(sum, 8, 4)]);
  const model = net.model(['N', 8], [last]);
  const [first, second] = mixLayers(model).map(({ id }) => id);
  const ops = (ids: string[]) => {
    const taken = new Set(withFollowers(model, new Set(ids)));
    return model.graph.nodes.filter(({ name }) => taken.has(name)).map(({ op }) => op);
  };
  assert.deepEqual(ops([first!]), ['Mul', 'MatMul', 'Relu']);
  assert.deepEqual(ops([second!]), ['MatMul'], 'the Relu is read by the Add as well');
  assert.deepEqual(ops([first!, second!]), ['Mul', 'MatMul', 'Relu', 'MatMul', 'Add']);
});
