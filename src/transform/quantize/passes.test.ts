import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { convNet, mlp, Net, normalData, normals, sqnr } from '../../../test/quantize-nets.ts';
import { ModicumError, Random, SILENT } from '../../base/index.ts';
import {
  assertValid,
  attr,
  cloneModel,
  encodeModel,
  type Model,
  makeGraph,
  makeModel,
  makeNode,
  Tensor,
  tensorType,
} from '../../graph/index.ts';
import { openSession } from '../../run/index.ts';
import type { PassResult } from '../pass.ts';
import { DYNAMIC_DEFAULTS, dynamicQuantization } from './dynamic.ts';
import type { Selection } from './selection.ts';
import { STATIC_DEFAULTS, type StaticOptions, staticQuantization } from './static.ts';
import { WEIGHT_ONLY_DEFAULTS, type WeightOnlyOptions, weightOnlyQuantization } from './weight-only.ts';

const IMAGE = [3, 16, 16];
const QUIET = { progress: SILENT, seed: 1 };
const images = (samples = 64) => ({ ...QUIET, calibration: normalData(IMAGE, samples) });

async function decibel(
  float: Model,
  other: Model,
  feed: Tensor,
  extra: Record<string, Tensor> = {},
): Promise<number> {
  const [a, b] = [await openSession(float, { threads: 1 }), await openSession(other, { threads: 1 })];
  try {
    assert.deepEqual(b.inputs, a.inputs, 'the inputs stay as they were');
    assert.deepEqual(
      b.outputs.map(({ name, dtype }) => [name, dtype]),
      a.outputs.map(({ name, dtype }) => [name, dtype]),
    );
    const [x, y] = [await a.run({ x: feed, ...extra }), await b.run({ x: feed, ...extra })];
    return Math.min(...a.outputs.map(({ name }) => sqnr(x[name]!, y[name]!)));
  } finally {
    await Promise.all([a.dispose(), b.dispose()]);
  }
}

const runStatic = (model: Model, options: Partial<StaticOptions> = {}) =>
  staticQuantization.apply(model, { ...STATIC_DEFAULTS, ...options }, images());
const runDynamic = (model: Model, options: Partial<typeof DYNAMIC_DEFAULTS> = {}) =>
  dynamicQuantization.apply(model, { ...DYNAMIC_DEFAULTS, ...options }, QUIET);
const runWeights = (model: Model, options: Partial<WeightOnlyOptions> = {}) =>
  weightOnlyQuantization.apply(model, { ...WEIGHT_ONLY_DEFAULTS, ...options }, QUIET);

test('random conv nets: valid, all fused, close, and the input left alone', async () => {
  for (let seed = 1; seed <= 6; seed++) {
    const float = convNet(seed, seed % 2 === 0);
    const before = encodeModel(float);
    const made = await runStatic(float, { method: (['minmax', 'mse', 'percentile'] as const)[seed % 3] });
    assert.deepEqual(encodeModel(float), before);
    assertValid(made.model);
    assert.deepEqual(
      made.fusion!.nodes.filter(({ status }) => status !== 'fused'),
      [],
    );
    const near = await decibel(float, made.model, normals(new Random(seed), [8, ...IMAGE]));
    assert.ok(near > 28, `seed ${seed}: ${near} dB`);
    assert.ok(encodeModel(made.model).length < before.length, 'smaller');
  }
});

test('random MLPs: every pass keeps close', async () => {
  const floors: [string, (model: Model) => Promise<PassResult>, number][] = [
    ['dynamic', (model) => runDynamic(model), 30],
    ['dynamic per tensor', (model) => runDynamic(model, { perChannel: false }), 26],
    ['8-bit weights', (model) => runWeights(model, { bits: 8, least: 1 }), 33],
    ['4-bit weights', (model) => runWeights(model, { least: 1 }), 14],
    ['4-bit weights with zero points', (model) => runWeights(model, { symmetric: false, least: 1 }), 15],
  ];
  for (const seed of [1, 2, 3]) {
    const float = mlp(seed);
    const before = encodeModel(float);
    for (const [name, run, floor] of floors) {
      const made = await run(float);
      assertValid(made.model);
      assert.deepEqual(encodeModel(float), before);
      const near = await decibel(float, made.model, normals(new Random(seed), [16, 32]));
      assert.ok(near > floor, `${name}, seed ${seed}: ${near} dB`);
    }
  }
});

test('bias correction brings inputs that are not centred closer', async () => {
  const net = new Net(9);
  const shifted = net.op('Add', ['x', net.weight([3, 1, 1], 0, 5)]);
  const a = net.relu(net.conv(shifted, 3, 8));
  const float = net.model(['N', ...IMAGE], [net.conv(a, 8, 4)]);
  const feed = normals(new Random(4), [8, ...IMAGE]);
  const plain = await decibel(float, (await runStatic(float, { biasCorrection: false })).model, feed);
  const better = await decibel(float, (await runStatic(float)).model, feed);
  assert.ok(better > plain + 1, `${plain} dB without, ${better} dB with`);
});

/** Names of the nodes that a static result runs on integers. */
const integers = (result: PassResult) =>
  result.notes.filter(({ action }) => action === 'changed').map(({ node }) => node);

test('exclusions are respected exactly, and told', async () => {
  const float = convNet(5);
  const all = integers(await runStatic(float));
  const convs = all.filter((name) => name.startsWith('Conv'));
  const cases: [Selection, (name: string) => boolean][] = [
    [{ exclude: [convs[1]!] }, (name) => name !== convs[1]],
    [{ excludeOps: ['Gemm'] }, (name) => !name.startsWith('Gemm')],
    [{ excludePatterns: [`^${convs[0]}$`, 'Gemm'] }, (name) => name !== convs[0] && !name.startsWith('Gemm')],
    [{ keepFirst: 1 }, (name) => name !== convs[0]],
    [{ keepLast: 1 }, (name) => !name.startsWith('Gemm')],
  ];
  for (const [selection, wanted] of cases) {
    const made = await runStatic(float, selection);
    const got = integers(made);
    assert.ok(got.every(wanted), JSON.stringify(selection));
    for (const name of convs.filter(wanted))
      assert.ok(got.includes(name), `${name} under ${JSON.stringify(selection)}`);
    for (const name of all.filter((one) => !wanted(one))) {
      const node = made.model.graph.nodes.find((one) => one.name === name)!;
      const original = float.graph.nodes.find((one) => one.name === name)!;
      assert.equal(node.inputs[1], original.inputs[1], 'its weight is the float one');
      assert.ok(made.notes.some((note) => note.node === name && note.action === 'refused'));
    }
  }
  const misspelt = await runStatic(float, { exclude: ['no such node'] });
  assert.ok(misspelt.notes.some(({ node, why }) => node === 'no such node' && /no node/.test(why)));
});

test('exclusions hold for the dynamic and weight-only passes', async () => {
  const float = mlp(2);
  const [first, , last] = float.graph.nodes.filter(({ op }) => op === 'MatMul' || op === 'Gemm');
  for (const run of [runDynamic, runWeights]) {
    const made = await run(float, { exclude: [first!.name], keepLast: 1 });
    for (const { name } of [first!, last!]) {
      const node = made.model.graph.nodes.find((one) => one.name === name)!;
      assert.ok(node.op === 'MatMul' || node.op === 'Gemm');
    }
    assert.equal(integers(made).length, 1);
  }
});

/** If with a product in both branches, whose weights belong to the main graph. */
function branching(): Model {
  const random = new Random(8);
  const branch = (weight: string) =>
    makeGraph({
      inputs: [],
      outputs: [{ name: `${weight}_y`, type: tensorType('float32', ['N', 8]) }],
      nodes: [
        makeNode('Gemm', ['x', weight], [`${weight}_y`], { transB: attr.int(1) }, { name: `${weight}_gemm` }),
      ],
    });
  const node = makeNode('If', ['which'], ['y'], {
    then_branch: attr.graph(branch('a')),
    else_branch: attr.graph(branch('b')),
  });
  const graph = makeGraph({
    inputs: [
      { name: 'x', type: tensorType('float32', ['N', 32]) },
      { name: 'which', type: tensorType('bool', []) },
    ],
    outputs: [{ name: 'y', type: tensorType('float32', ['N', 8]) }],
    nodes: [node],
    initializers: new Map([
      ['a', normals(random, [8, 32])],
      ['b', normals(random, [8, 32])],
    ]),
  });
  return makeModel(graph, 17, { irVersion: 8 });
}

test('nested graphs: both branches of an If are quantized and fused', async () => {
  const float = branching();
  const feed = normals(new Random(1), [4, 32]);
  for (const [run, op, floor] of [
    [() => runDynamic(float), 'DynamicQuantizeMatMul', 30],
    [() => runWeights(float, { bits: 8, least: 1 }), 'MatMulNBits', 33],
  ] as const) {
    const made = await run();
    assert.equal(made.fusion!.executed[op], 2);
    for (const flag of [0, 1]) {
      const which = Tensor.of('bool', [], Uint8Array.of(flag));
      const near = await decibel(float, made.model, feed, { which });
      assert.ok(near > floor, `${op}: ${near} dB`);
    }
  }
});

test('LSTM in both directions becomes DynamicQuantizeLSTM', async () => {
  for (const [direction, count] of [
    ['forward', 1],
    ['bidirectional', 2],
  ] as const) {
    const net = new Net(4);
    const weights = [
      net.weight([count, 96, 16], 0.3),
      net.weight([count, 96, 24], 0.3),
      net.weight([count, 192], 0.1),
    ];
    const attributes = { hidden_size: attr.int(24), direction: attr.string(direction) };
    net.op('LSTM', ['x', ...weights], attributes, ['y', 'h', 'c']);
    const float = net.model(['T', 'N', 16], ['y', 'h', 'c']);
    const made = await runDynamic(float);
    assert.equal(made.fusion!.executed.DynamicQuantizeLSTM, 1);
    assert.ok((await decibel(float, made.model, normals(new Random(2), [7, 3, 16]))) > 28);
  }
});

test('stored weights: Conv and tables in int8, computed in float', async () => {
  const net = new Net(6);
  const table = net.weight([50, 32]);
  const index = net.constant(Tensor.int64([3], [4, 40, 7]));
  const rows = net.op('Gather', [table, index]);
  const a = net.op('MatMul', ['x', net.op('Transpose', [rows], { perm: attr.ints([1, 0]) })]);
  const float = net.model(['N', 32], [a]);
  const made = await runWeights(float, { storage: true, least: 1 });
  assert.ok((await decibel(float, made.model, normals(new Random(2), [5, 32]))) > 33);
  assert.ok(encodeModel(made.model).length < encodeModel(float).length / 2);
  const conv = convNet(3);
  const stored = await runWeights(conv, { storage: true, least: 1, bits: 8 });
  assert.ok((await decibel(conv, stored.model, normals(new Random(2), [2, ...IMAGE]))) > 33);
});

test('what cannot be done ends with its code', async () => {
  const net = new Net(1);
  const nothing = net.model(['N', 4], [net.op('Tanh', ['x'])]);
  const refuses = (code: string) => (error: unknown) => error instanceof ModicumError && error.code === code;
  await assert.rejects(runStatic(nothing), refuses('NOTHING_TO_QUANTIZE'));
  await assert.rejects(runDynamic(nothing), refuses('NOTHING_TO_QUANTIZE'));
  await assert.rejects(runWeights(nothing), refuses('NOTHING_TO_QUANTIZE'));
  await assert.rejects(runWeights(mlp(), { blockSize: 48 as 32 }), refuses('USAGE_BAD_OPTION'));
  const old = cloneModel(convNet());
  old.opsets.set('', 12);
  await assert.rejects(runStatic(old), refuses('OPSET_TOO_OLD'));
  await assert.rejects(
    staticQuantization.apply(convNet(), STATIC_DEFAULTS, QUIET),
    refuses('CALIBRATION_NEEDED'),
  );
});

test('weight-only: biases of any shape that Gemm takes', async () => {
  for (const dims of [[10], [1, 10], [1], [], [4, 1], [4, 10]]) {
    const net = new Net(2);
    const bias = net.constant(normals(new Random(8), dims));
    const made = net.op('Gemm', ['x', net.weight([32, 10]), bias]);
    const float = net.model([4, 32], [made]);
    const quantized = (await runWeights(float, { least: 1, accuracyLevel: 1 })).model;
    const x = normals(new Random(2), [4, 32]);
    assert.ok((await decibel(float, quantized, x)) > 15, `bias [${dims}]`);
  }
  const net = new Net(2);
  const float = net.model(['N', 10], [net.op('Gemm', ['x', net.weight([10, 10]), net.relu('x')])]);
  const quantized = (await runWeights(float, { least: 1, accuracyLevel: 1 })).model;
  assert.ok((await decibel(float, quantized, normals(new Random(2), [4, 10]))) > 15);
});

test('the same numbers each time', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 1000 }), async (seed) => {
      const float = convNet(seed);
      const [a, b] = [
        await runStatic(float, { check: false }),
        await runStatic(convNet(seed), { check: false }),
      ];
      assert.deepEqual(encodeModel(a.model), encodeModel(b.model));
    }),
    { seed: 1, numRuns: 3 },
  );
});
