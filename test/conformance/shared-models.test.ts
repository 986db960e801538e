import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import * as ort from 'onnxruntime-node';
import { Random } from '../../src/base/index.ts';
import { loadModel, saveModel } from '../../src/files/index.ts';
import type { Model } from '../../src/graph/index.ts';
import { sharedData } from '../shared-data.ts';

/** The models, and what to take for the symbols in their shapes. */
const MODELS: Record<string, Record<string, number>> = {
  'keywords/alibaba_kws.onnx': {},
  'magika/model/model.onnx': {},
  'mlperf-tiny/alibaba_ad.onnx': {},
  'mlperf-tiny/alibaba_vww.onnx': {},
  'mnist/mnist-8.onnx': {},
  'silero-vad/silero_vad_half.onnx': { sequence: 576 },
  'silero-vad/silero_vad_op18_ifless.onnx': { sequence: 576 },
  'ultraface/version-RFB-320.onnx': {},
  'ultraface/version-RFB-320_simplified.onnx': {},
  'ultraface/version-RFB-320_without_postprocessing.onnx': {},
};

function feedsOf({ graph }: Model, symbols: Record<string, number>): Record<string, ort.Tensor> {
  const random = new Random(9);
  const feeds: Record<string, ort.Tensor> = {};
  for (const { name, type } of graph.inputs) {
    if (graph.initializers.has(name)) continue;
    assert.ok(type.kind === 'tensor' && type.shape !== undefined);
    const dims = type.shape.map((dim) => (typeof dim === 'number' ? dim : (symbols[dim ?? ''] ?? 1)));
    const size = dims.reduce((a, b) => a * b, 1);
    // The only integers that are no bytes of a file are Silero's sampling rate.
    if (type.dtype === 'int64') feeds[name] = new ort.Tensor('int64', [16000n], dims);
    else if (type.dtype === 'int32')
      feeds[name] = new ort.Tensor(
        'int32',
        Int32Array.from({ length: size }, () => random.below(256)),
        dims,
      );
    else
      feeds[name] = new ort.Tensor(
        'float32',
        Float32Array.from({ length: size }, () => random.normal()),
        dims,
      );
  }
  return feeds;
}

async function answers(path: string, feeds: Record<string, ort.Tensor>): Promise<Record<string, unknown>> {
  const session = await ort.InferenceSession.create(path, { intraOpNumThreads: 1, logSeverityLevel: 4 });
  const results = await session.run(feeds);
  const plain = Object.entries(results).map(([name, tensor]) => {
    assert.ok(tensor instanceof ort.Tensor);
    return [name, { type: tensor.type, dims: tensor.dims, data: tensor.data }];
  });
  await session.release();
  return Object.fromEntries(plain);
}

for (const [name, symbols] of Object.entries(MODELS)) {
  test(`${name} answers the same bits after load, save, load, with weights inside and outside`, async (t) => {
    const path = sharedData(name);
    if (path === undefined) return t.skip('data absent');
    const folder = mkdtempSync(join(tmpdir(), 'modicum-models-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const model = await loadModel(path);
    const feeds = feedsOf(model, symbols);
    const expected = await answers(path, feeds);
    const inside = join(folder, 'inside.onnx');
    await saveModel(model, inside, { external: 'never' });
    assert.deepEqual(await answers(inside, feeds), expected);
    const outside = join(folder, 'outside.onnx');
    await saveModel(await loadModel(inside), outside, { external: 'always' });
    assert.deepEqual(await answers(outside, feeds), expected);
    const again = join(folder, 'again.onnx');
    await saveModel(await loadModel(outside), again, { external: 'never' });
    assert.deepEqual(await answers(again, feeds), expected);
  });
}
