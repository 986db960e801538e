import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { Random, SILENT } from '../../src/base/index.ts';
import { openDataset } from '../../src/data/index.ts';
import { freezeShapes } from '../../src/edge/index.ts';
import { loadModel } from '../../src/files/index.ts';
import { type Model, sizeOf, Tensor } from '../../src/graph/index.ts';
import { cleanUp, RECIPE_PASSES } from '../../src/transform/index.ts';
import { answersOf } from '../contracts/pass-contract.ts';
import { ROOT, sharedData } from '../shared-data.ts';
import { assertClose, compiledAnswers, relativeError } from './compiled.ts';

const clean = async (model: Model) =>
  (await cleanUp.apply(model, { opset: 13 }, { progress: SILENT, seed: 0 })).model;

/** Normal numbers for float inputs, small whole ones for others. */
function feedsFor({ graph }: Model, seed: number): Record<string, Tensor> {
  const random = new Random(seed);
  return Object.fromEntries(
    graph.inputs.map(({ name, type }) => {
      assert.ok(type.kind === 'tensor');
      const dims = type.shape as number[];
      const size = sizeOf(dims);
      const tensor =
        type.dtype === 'float32'
          ? Tensor.float32(
              dims,
              Float32Array.from({ length: size }, () => random.normal()),
            )
          : Tensor.int64(
              dims,
              Array.from({ length: size }, () => random.below(3)),
            );
      return [name, tensor];
    }),
  );
}

const MODELS: readonly (string | undefined)[] = [
  ...['keyword-spotter', 'recommender', 'driving'].flatMap((name) => [
    `examples/${name}/light.onnx`,
    `examples/${name}/heavy.onnx`,
  ]),
  ...[
    'mnist/mnist-8.onnx',
    'keywords/alibaba_kws.onnx',
    'mlperf-tiny/alibaba_vww.onnx',
    'mlperf-tiny/alibaba_ad.onnx',
    'ultraface/version-RFB-320.onnx',
  ],
];

for (const name of MODELS) {
  test(`${name} answers as ONNX Runtime does, compiled`, async (t) => {
    const path = name!.startsWith('examples/') ? join(ROOT, name!) : sharedData(name!);
    if (path === undefined) return t.skip('data absent');
    const model = freezeShapes(await loadModel(path));
    const feeds = feedsFor(model, 7);
    const cleaned = await clean(model);
    const wanted = await answersOf(cleaned, feeds);
    // An answer near zero is as exact as what cancelled in it.
    for (const target of ['simd', 'scalar'] as const) {
      assertClose(await compiledAnswers(cleaned, feeds, target), wanted, 1e-5, `${name}, ${target}`, 0.5);
    }
  });
}

test('int8 is no less exact than in ONNX Runtime, and the same bits on every target', async (t) => {
  const path = join(ROOT, 'examples/keyword-spotter/light.onnx');
  const data = await openDataset(join(ROOT, 'examples/keyword-spotter/data.npz'));
  const model = await clean(await loadModel(path));
  const pass = RECIPE_PASSES['quantize-static'];
  const context = { progress: SILENT, seed: 0, calibration: data };
  const { model: quantized } = await pass.apply(model, pass.defaults, context);
  const [ours, float] = [freezeShapes(quantized), freezeShapes(model)];
  let [error, theirError] = [0, 0];
  for (let seed = 1; seed <= 5; seed++) {
    const random = new Random(seed);
    const mfcc = Tensor.float32(
      [1, 1, 49, 10],
      Float32Array.from({ length: 490 }, () => -3 + 16 * random.normal()),
    );
    const truth = (await answersOf(float, { mfcc })).scores!;
    const theirs = (await answersOf(quantized, { mfcc })).scores!;
    const found = (await compiledAnswers(ours, { mfcc })).scores!;
    const scalar = (await compiledAnswers(ours, { mfcc }, 'scalar')).scores!;
    assert.deepEqual([...scalar.bytes()], [...found.bytes()]);
    error += relativeError(found, truth);
    theirError += relativeError(theirs, truth);
  }
  t.diagnostic(`error against float: ours ${error / 5}, that of ONNX Runtime ${theirError / 5}`);
  assert.ok(error > 0 && error <= theirError * 1.02 + 1e-6, `${error} against ${theirError}`);
});
