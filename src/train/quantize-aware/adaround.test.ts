import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gratingNet, gratings } from '../../../test/train/gratings.ts';
import { accuracy, spiral, spiralNet } from '../../../test/train/spiral.ts';
import { SILENT } from '../../base/index.ts';
import { encodeModel, type Model } from '../../graph/index.ts';
import { TRAINING_PASSES } from '../passes/index.ts';
import { train } from '../train.ts';
import { adaround } from './adaround.ts';

const PICTURES = gratings(2500, 1);
const MORE_PICTURES = gratings(2500, 2);
const QUICK = { bits: 4, iterations: 400, threads: 1, seed: 1 } as const;

let trained: Promise<Model> | undefined;
const net = () => {
  trained ??= train(gratingNet(2), PICTURES, {
    epochs: 8,
    rate: 0.01,
    batch: 50,
    seed: 3,
    settings: { threads: 1 },
  }).then(({ model }) => model);
  return trained;
};

test('layers answer better than with the nearest rounding, and so does the model', async () => {
  const float = await net();
  // Without bias correction, so that the nearest rounding's mean error is not mended beforehand.
  const options = { ...QUICK, iterations: 800, static: { biasCorrection: false } };
  const { model, before, layers, fusion } = await adaround(float, gratings(1500, 5, false), options);
  assert.deepEqual(
    layers.map(({ op }) => op),
    ['Conv', 'Conv', 'Conv', 'Conv', 'Gemm'],
  );
  for (const { learned, nearest, moved } of layers) {
    assert.ok(learned <= nearest, 'never worse');
    assert.ok(moved >= 0 && moved < 0.5, `${moved}`);
  }
  const mean = layers.reduce((sum, { learned, nearest }) => sum + learned / nearest, 0) / layers.length;
  assert.ok(mean < 0.9, `${mean}`);
  const [nearest, learned] = [await accuracy(before, MORE_PICTURES), await accuracy(model, MORE_PICTURES)];
  assert.ok(learned > nearest + 1, `${nearest} -> ${learned}`);
  const nodes = ({ graph }: Model) => graph.nodes.map(({ op, inputs, outputs }) => [op, inputs, outputs]);
  assert.deepEqual(nodes(model), nodes(before));
  for (const { name, status } of fusion.nodes) assert.equal(status, 'fused', name);
  // Down or up, and nothing else: no number is more than one from the nearest.
  for (const [name, tensor] of before.graph.initializers) {
    if (tensor.dtype !== 'int8' || tensor.dims.length < 2) continue;
    const [old, now] = [tensor.numbers(), model.graph.initializers.get(name)!.numbers()];
    assert.ok(
      now.every((value, i) => Math.abs(value - old[i]!) <= 1 && Math.abs(value) <= 7),
      name,
    );
  }
});

test('the same seed gives the same bytes; MatMul with an Add', async () => {
  const data = spiral(800, 1);
  const float = (await train(spiralNet(1, 12), data, { epochs: 20, rate: 0.02, batch: 50, seed: 3 })).model;
  const run = async (seed: number) => adaround(float, data, { ...QUICK, seed });
  const [one, two] = [await run(1), await run(1)];
  assert.ok(Buffer.from(encodeModel(one.model)).equals(Buffer.from(encodeModel(two.model))));
  assert.equal(one.layers.length, 2);
  assert.ok((await accuracy(one.model, spiral(1000, 2))) > 93);
});

test('it stops on request; too little data and contradicting lengths are refused', async () => {
  const float = await net();
  const stopper = new AbortController();
  const progress = {
    stage: (label: string) => ({
      advance(done = 1) {
        if (label === 'Rounding' && done > 0) stopper.abort(new Error('stop'));
      },
      end() {},
    }),
  };
  await assert.rejects(
    adaround(float, PICTURES, { ...QUICK, iterations: 20, progress, signal: stopper.signal }),
    /stop/,
  );
  await assert.rejects(adaround(float, gratings(4, 1), QUICK), { code: 'DATA_TOO_FEW' });
  await assert.rejects(adaround(float, PICTURES, { ...QUICK, seconds: 1 }), { code: 'USAGE_BAD_OPTION' });
});

test('as a pass, on calibration data where there is no other, within a time', async () => {
  const pass = TRAINING_PASSES.adaround;
  const float = await net();
  const context = { progress: SILENT, seed: 1 };
  await assert.rejects(pass.apply(float, pass.defaults, context), { code: 'CALIBRATION_NEEDED' });
  const began = performance.now();
  const calibration = gratings(256, 3);
  const result = await pass.apply(float, { bits: 8, seconds: 2, threads: 1 }, { ...context, calibration });
  assert.ok(performance.now() - began < 15_000);
  assert.ok(result.notes.some(({ why }) => /rounded the other way|nearest rounding/.test(why)));
  assert.ok((await accuracy(result.model, MORE_PICTURES)) > (await accuracy(float, MORE_PICTURES)) - 1);
});
