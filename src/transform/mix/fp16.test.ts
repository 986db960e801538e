import assert from 'node:assert/strict';
import { test } from 'node:test';
import { convNet, mlp, Net, normalData, normals, sqnr } from '../../../test/quantize-nets.ts';
import { Random, SILENT } from '../../base/index.ts';
import { fromHalf } from '../../data/index.ts';
import { assertValid, attr, encodeModel, type Model, parseText, Tensor } from '../../graph/index.ts';
import { openSession } from '../../run/index.ts';
import { HALF_DEFAULTS, type HalfOptions, halfPrecision } from './fp16.ts';
import { halfTensor } from './half-tensor.ts';

const QUIET = { progress: SILENT, seed: 1 };
const half = (
  model: Model,
  options: Partial<HalfOptions> = {},
  calibration = undefined as ReturnType<typeof normalData> | undefined,
) => halfPrecision.apply(model, { ...HALF_DEFAULTS, ...options }, { ...QUIET, calibration });

async function answer(model: Model, feeds: Record<string, Tensor>) {
  const session = await openSession(model, { threads: 1 });
  try {
    return await session.run(feeds);
  } finally {
    await session.dispose();
  }
}
const ops = ({ graph }: Model) => graph.nodes.map(({ op }) => op);

test('numbers: nearest even, finite stays finite, nothing that is not 0 becomes 0', () => {
  const values = [
    1,
    -2.5,
    1 + 2 ** -11,
    1 + 3 * 2 ** -11,
    1e9,
    -3.4e38,
    1e-12,
    -1e-30,
    0,
    Number.POSITIVE_INFINITY,
  ];
  const got = halfTensor(Tensor.float32([values.length], values))
    .numbers()
    .map(fromHalf);
  const wanted = [1, -2.5, 1, 1 + 2 ** -9, 65504, -65504, 2 ** -24, -(2 ** -24), 0, Number.POSITIVE_INFINITY];
  assert.deepEqual(got, wanted);
});

test('a network of convolutions: half the size, ends in float32, answers within the precision', async () => {
  const model = convNet();
  const before = encodeModel(model);
  const { model: halved, modified, notes } = await half(model);
  assert.ok(modified && Buffer.compare(before, encodeModel(model)) === 0, 'the input was changed');
  assertValid(halved);
  assert.ok([...halved.graph.initializers.values()].every(({ dtype }) => dtype !== 'float32'));
  assert.ok(encodeModel(halved).byteLength < 0.62 * before.byteLength);
  assert.equal(ops(halved).filter((op) => op === 'Cast').length, 2, 'one at either end');
  assert.equal(notes.filter(({ action }) => action === 'refused').length, 0);
  const feeds = { x: normals(new Random(3), [4, 3, 16, 16]) };
  const [wanted, got] = [await answer(model, feeds), await answer(halved, feeds)];
  const name = Object.keys(wanted)[0]!;
  assert.equal(got[name]!.dtype, 'float32');
  assert.ok(sqnr(wanted[name]!, got[name]!) > 50);
  assert.equal((await half(halved)).modified, false, 'a second run finds nothing');
});

test('by a list of nodes: casts at the borders, a shared weight in both types', async () => {
  const net = new Net(2);
  const weight = net.weight([8, 8], 0.3);
  const a = net.op('MatMul', ['x', weight]);
  const b = net.relu(net.op('MatMul', [a, weight]));
  const model = net.model(['N', 8], [net.matmul(b, 8, 3), a]);
  const [first, second] = model.graph.nodes.map(({ name }) => name);
  const { model: mixed } = await half(model, { only: [second!] });
  assertValid(mixed);
  assert.deepEqual(ops(mixed), ['MatMul', 'Cast', 'MatMul', 'Cast', 'Relu', 'MatMul']);
  const types = [...mixed.graph.initializers.values()].map(({ dtype }) => dtype);
  assert.deepEqual(types.sort(), ['float16', 'float32', 'float32']);
  const feeds = { x: normals(new Random(3), [5, 8]) };
  const [wanted, got] = [await answer(model, feeds), await answer(mixed, feeds)];
  assert.deepEqual(got[a]!.numbers(), wanted[a]!.numbers(), 'what comes before is untouched');
  for (const name of Object.keys(wanted)) assert.ok(sqnr(wanted[name]!, got[name]!) > 50);
  const { notes } = await half(model, { only: [first!, 'absent'] });
  assert.match(notes.find(({ node }) => node === 'absent')!.why, /no node bears/);
});

test('range rules: by constants, by the data, by the length of a sum', async () => {
  const net = new Net(4);
  const large = net.op('Mul', ['x', net.constant(Tensor.float32([1], [1e6]))]);
  const back = net.op('Mul', [large, net.constant(Tensor.float32([1], [1e-6]))]);
  const summed = net.op('ReduceSum', [net.op('Mul', [back, net.constant(Tensor.float32([1], [2]))])], {
    keepdims: attr.int(1),
    axes: attr.ints([1]),
  });
  const model = net.model(['N', 40], [summed], 11);
  const why = async (options: Partial<HalfOptions>, data?: ReturnType<typeof normalData>) => {
    const { notes, model: made } = await half(model, options, data);
    assertValid(made);
    return Object.fromEntries(
      notes.filter(({ action }) => action === 'refused').map((note) => [note.node, note.why]),
    );
  };
  const [muls, sum] = [
    model.graph.nodes.filter(({ op }) => op === 'Mul').map(({ name }) => name),
    model.graph.nodes.at(-1)!.name,
  ];
  const blind = await why({ longestSum: 39 });
  assert.match(blind[muls[0]!]!, /a constant reaches 1000000/);
  assert.match(blind[muls[1]!]!, /too small for float16/);
  assert.match(blind[sum]!, /sums up 40 terms/);
  assert.equal(Object.keys(await why({})).length, 2);
  const net2 = new Net(4);
  const grown = net2.op('Exp', [net2.op('Mul', ['x', net2.constant(Tensor.float32([1], [5]))])]);
  const exp = net2.model(['N', 4], [net2.op('Log', [grown])], 13);
  const seen = await half(exp, {}, normalData([4], 64));
  assert.deepEqual(
    seen.notes.filter(({ action }) => action === 'refused').map(({ op }) => op),
    ['Exp', 'Log'],
  );
  assert.ok(seen.notes.some(({ why: text }) => /reaches .* on the data/.test(text)));
});

test('types that attributes name, always-float inputs, the block list', async () => {
  const model = parseText(`<ir_version: 8, opset_import: ["": 13]>
    graph (float[1, 2, 4, 4] x, int64[3] ids) => (float[1, 2, 8, 8] y, float[3] z, float[2, 2] k, int64[1, 2, 1, 4] order)
      <float[4] scales = {1, 1, 2, 2}, int64[2] two = {2, 2}> {
      up = Resize<mode = "nearest"> (x, , scales)
      y = Relu(up)
      f = Cast<to = 1> (ids)
      z = Sqrt(f)
      ones = ConstantOfShape(two)
      eye = EyeLike(ones)
      k = Add(ones, eye)
      order = ArgMax<axis = 2> (x)
    }`);
  const { model: halved, notes } = await half(model);
  assertValid(halved);
  const made = (op: string) => halved.graph.nodes.find((node) => node.op === op)!;
  assert.equal(made('Resize').inputs[2], 'scales');
  assert.equal(halved.graph.initializers.get('scales')!.dtype, 'float32');
  assert.equal(made('ArgMax').inputs[0], 'x', 'a decision is made on the float32 that is there');
  assert.ok(ops(halved).filter((op) => op === 'Cast').length <= 6);
  const feeds = { x: normals(new Random(1), [1, 2, 4, 4]), ids: Tensor.int64([3], [4, 9, 16]) };
  const [wanted, got] = [await answer(model, feeds), await answer(halved, feeds)];
  assert.deepEqual(got.z!.numbers(), [2, 3, 4]);
  assert.deepEqual(got.k!.numbers(), wanted.k!.numbers());
  assert.deepEqual(got.order!.numbers(), wanted.order!.numbers());
  assert.ok(sqnr(wanted.y!, got.y!) > 50);
  assert.ok(notes.every(({ why }) => why.length > 0));
});

test('nested graphs compute in float16 inside, with float32 ends and captured values', async () => {
  const model = parseText(`<ir_version: 8, opset_import: ["": 13]>
    graph (float[2, 4] x, bool c) => (float[2, 4] y) <float[4, 4] w = {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7}> {
      h = MatMul(x, w)
      y = If (c) <
        then_branch = yes () => (float[2, 4] a) { b = Mul(h, h)  a = MatMul(b, w) },
        else_branch = no () => (float[2, 4] a) { a = Sub(h, x) }
      >
    }`);
  const { model: halved } = await half(model);
  assertValid(halved);
  for (const c of [1, 0]) {
    const feeds = { x: normals(new Random(1), [2, 4]), c: Tensor.of('bool', [], Uint8Array.of(c)) };
    const [wanted, got] = [await answer(model, feeds), await answer(halved, feeds)];
    assert.ok(sqnr(wanted.y!, got.y!) > 45);
  }
  const branch = halved.graph.nodes.find(({ op }) => op === 'If')!.attributes.get('then_branch');
  assert.ok(branch?.type === 'graph' && branch.value.nodes.some(({ op }) => op === 'Cast'));
  assert.ok(![...halved.graph.initializers.values()].some(({ dtype }) => dtype === 'float32'));
});

test('a model of no float32, and an old one', async () => {
  const whole = parseText(
    `<ir_version: 8, opset_import: ["": 13]> graph (int64[2] x) => (int64[2] y) { y = Add(x, x) }`,
  );
  assert.equal((await half(whole)).modified, false);
  const old = { ...mlp(), opsets: new Map([['', 6]]) };
  await assert.rejects(half(old), { code: 'OPSET_TOO_OLD' });
});
