import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LINEAR_PIECES, linearNet, WIDTH } from '../../../test/linear-nets.ts';
import { Net, normalData, normals, sqnr } from '../../../test/quantize-nets.ts';
import { type ModicumError, Random, SILENT } from '../../base/index.ts';
import type { Dataset } from '../../data/index.ts';
import { type Model, Tensor } from '../../graph/index.ts';
import { openSession } from '../../run/index.ts';
import { DYNAMIC_DEFAULTS, dynamicQuantization } from './dynamic.ts';
import { type SmoothOptions, smoothing } from './smooth.ts';
import { STATIC_DEFAULTS, staticQuantization } from './static.ts';

const context = (calibration: Dataset | undefined) => ({ progress: SILENT, seed: 1, calibration });
const smoothed = (model: Model, data: Dataset | undefined, options: Partial<SmoothOptions> = {}) =>
  smoothing.apply(model, { ...smoothing.defaults, least: 1, ...options }, context(data));

async function answer(model: Model, x: Tensor): Promise<Tensor> {
  const session = await openSession(model, { threads: 1, level: 'disabled' });
  try {
    return (await session.run({ x }))[session.outputs[0]!.name]!;
  } finally {
    await session.dispose();
  }
}

test('the float model answers with the same bits, whatever takes the factors', async () => {
  for (const piece of LINEAR_PIECES) {
    const { model, data, dims } = linearNet(7, piece);
    const made = await smoothed(model, data);
    assert.ok(made.modified, piece);
    const x = normals(new Random(3), [4, ...dims]);
    assert.deepEqual((await answer(made.model, x)).numbers(), (await answer(model, x)).numbers(), piece);
  }
});

test('channels that stand out: 8 bits lose much less afterwards, static and dynamic', async () => {
  const { model, data, dims } = linearNet(2, 'attention');
  const x = normals(new Random(4), [16, ...dims]);
  const wanted = await answer(model, x);
  const smooth = (await smoothed(model, data)).model;
  const half = (await smoothed(model, data, { alpha: 0.5 })).model;
  const near = async (float: Model, dynamic: boolean) => {
    const made = dynamic
      ? await dynamicQuantization.apply(float, DYNAMIC_DEFAULTS, context(data))
      : await staticQuantization.apply(float, STATIC_DEFAULTS, context(data));
    return sqnr(wanted, await answer(made.model, x));
  };
  for (const dynamic of [false, true]) {
    const plain = await near(model, dynamic);
    for (const other of [smooth, half]) {
      const better = await near(other, dynamic);
      assert.ok(better > plain + 3, `${better} dB after, ${plain} dB before`);
    }
  }
});

test('notes say where the factors went, and why not', async () => {
  const net = new Net(3);
  const y = net.op('LayerNormalization', [
    'x',
    net.constant(
      Tensor.float32(
        [WIDTH],
        Float32Array.from({ length: WIDTH }, (_, i) => (i === 2 ? 40 : 1)),
      ),
    ),
  ]);
  const product = net.matmul(y, WIDTH, WIDTH);
  const even = net.matmul(net.op('Tanh', [product]), WIDTH, WIDTH);
  const model = net.model(['N', WIDTH], [even]);
  const data = normalData([WIDTH]);
  const made = await smoothed(model, data);
  const by = new Map(made.notes.map((note) => [note.node, note]));
  const matmuls = made.model.graph.nodes.filter(({ op }) => op === 'MatMul').map(({ name }) => name) as [
    string,
    string,
  ];
  assert.equal(by.get(matmuls[0])!.action, 'changed');
  assert.match(by.get(matmuls[0])!.why, /divided by 0\.\d+ to \d+ in LayerNormalization_\d+, alpha/);
  assert.equal(by.get(matmuls[1])!.action, 'refused');
  assert.match(by.get(matmuls[1])!.why, /Tanh cannot take factors; saves .* dB of 3 at least/);
  const excluded = await smoothed(model, data, { exclude: [matmuls[0]] });
  assert.equal(excluded.modified, false);
  assert.equal(excluded.model, model);
  const never = await smoothed(model, data, { explicit: 'never' });
  assert.match(never.notes.find(({ node }) => node === matmuls[1])!.why, /^Tanh cannot take factors$/);
});

test('a contrib normalization takes factors; dead channels and shared constants do no harm', async () => {
  const net = new Net(6);
  const gamma = net.constant(
    Tensor.float32(
      [WIDTH],
      Float32Array.from({ length: WIDTH }, (_, i) => (i === 2 ? 40 : i === 5 ? 0 : 1)),
    ),
  );
  const beta = net.constant(Tensor.float32([WIDTH], new Float32Array(WIDTH)));
  const weight = net.weight([WIDTH, WIDTH], 0.3);
  const a = net.op('LayerNormalization', ['x', gamma, beta]);
  const b = net.op('MatMul', [a, weight]);
  const c = net.op('SkipLayerNormalization', [b, 'x', gamma, beta]);
  const d = net.op('MatMul', [c, weight]);
  const model = net.model(['N', 4, WIDTH], [d]);
  model.graph.nodes.find(({ op }) => op === 'SkipLayerNormalization')!.domain = 'com.microsoft';
  model.opsets.set('com.microsoft', 1);
  const data = normalData([4, WIDTH]);
  const made = await smoothed(model, data);
  assert.match(made.notes.map(({ why }) => why).join(), /in SkipLayerNormalization/);
  const x = normals(new Random(3), [4, 4, WIDTH]);
  assert.deepEqual((await answer(made.model, x)).numbers(), (await answer(model, x)).numbers());
});

test('what cannot be done ends with its code', async () => {
  const { model, data } = linearNet(1, 'attention');
  const refused = (run: Promise<unknown>, code: string) =>
    assert.rejects(run, (thrown: ModicumError) => thrown.code === code);
  await refused(smoothed(model, undefined), 'CALIBRATION_NEEDED');
  await refused(smoothed(model, data, { alpha: 1.5 }), 'USAGE_BAD_OPTION');
  assert.equal(
    (await smoothed(model, undefined, { least: 1e6 })).modified,
    false,
    'nothing to do needs no data',
  );
});
