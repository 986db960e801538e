import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random, SILENT } from '../../src/base/index.ts';
import { loadModel } from '../../src/files/index.ts';
import { costOf, encodeModel, type Model, sizeOf, Tensor } from '../../src/graph/index.ts';
import {
  cleanSteps,
  cutUnits,
  planCut,
  pruneGroups,
  runPasses,
  weightImportance,
} from '../../src/transform/index.ts';
import { sharedData } from '../shared-data.ts';
import { answersOf } from './pass-contract.ts';

/** Real models, and how many groups they have. */
const CASES = [
  { file: 'mnist/mnist-8.onnx', groups: 2, symbols: 1 },
  { file: 'keywords/alibaba_kws.onnx', groups: 5, symbols: 1 },
  { file: 'ultraface/version-RFB-320.onnx', groups: 20, symbols: 1 },
  { file: 'magika/model/model.onnx', groups: 2, symbols: 2 },
  { file: 'mlperf-tiny/alibaba_vww.onnx', groups: 14, symbols: 1 },
] as const;

function feedsOf(model: Model, symbols: number): Record<string, Tensor> {
  const random = new Random(5);
  const feeds: Record<string, Tensor> = {};
  for (const { name, type } of model.graph.inputs) {
    if (type.kind !== 'tensor') throw new Error('not a tensor');
    const dims = type.shape!.map((dim) => (typeof dim === 'number' ? dim : symbols));
    const numbers = Float32Array.from({ length: sizeOf(dims) }, () => random.normal());
    feeds[name] =
      type.dtype === 'int32'
        ? Tensor.of(
            'int32',
            dims,
            Int32Array.from(numbers, () => random.below(257)),
          )
        : Tensor.float32(dims, numbers);
  }
  return feeds;
}

for (const { file, groups: least, symbols } of CASES) {
  test(`${file} at half of its MACs runs and is smaller`, async (t) => {
    const path = sharedData(file);
    if (path === undefined) return t.skip('data absent');
    const { model } = await runPasses(await loadModel(path), cleanSteps(), { progress: SILENT, seed: 1 });
    const groups = pruneGroups(model);
    const free = groups.groups.filter(({ pinned }) => pinned === undefined);
    assert.ok(free.length >= least, `${free.length} groups`);
    for (const scope of ['global', 'uniform'] as const) {
      const plan = planCut(groups, weightImportance(model, groups, 'l2'), {
        ratio: 0.5,
        target: 'macs',
        scope,
      });
      const small = cutUnits(model, groups, plan.cut);
      const [before, after] = [costOf(model).total, costOf(small).total];
      assert.ok(plan.reached && after.macs <= 0.5 * before.macs, `${after.macs} of ${before.macs} MACs`);
      assert.ok(
        Math.abs(after.macs - plan.macs) < 0.01 * after.macs,
        `${after.macs} MACs, foretold ${plan.macs}`,
      );
      assert.ok(encodeModel(small).length < encodeModel(model).length);
      const feeds = feedsOf(model, symbols);
      const [whole, cut] = [await answersOf(model, feeds), await answersOf(small, feeds)];
      for (const [name, tensor] of Object.entries(whole)) {
        assert.deepEqual(cut[name]!.dims, tensor.dims);
        assert.ok(cut[name]!.numbers().every(Number.isFinite), name);
      }
    }
  });
}
