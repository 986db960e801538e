import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { PRUNE_NETS } from '../../../test/prune-nets.ts';
import { normalData } from '../../../test/quantize-nets.ts';
import { ROOT } from '../../../test/shared-data.ts';
import { SILENT } from '../../base/index.ts';
import { bind, type Dataset, openNpz, subset } from '../../data/index.ts';
import { loadModel } from '../../files/index.ts';
import { costOf, encodeModel, type Model, parseText } from '../../graph/index.ts';
import { openSession } from '../../run/index.ts';
import { cleanSteps } from '../fold/clean.ts';
import { runPasses, step } from '../run-passes.ts';
import { structuredPruning } from './structured-pruning.ts';

const QUIET = { progress: SILENT, seed: 1 };
const prune = (model: Model, options: Partial<typeof structuredPruning.defaults>, calibration?: Dataset) =>
  structuredPruning.apply(model, { ...structuredPruning.defaults, ...options }, { ...QUIET, calibration });

test('the pass leaves its input, meets its target and tells node by node', async () => {
  const model = PRUNE_NETS['conv, norm, flatten, gemm']!(2);
  const before = encodeModel(model);
  const { model: small, modified, notes } = await prune(model, { ratio: 0.4 }, normalData([3, 8, 8], 64));
  assert.ok(modified && Buffer.compare(before, encodeModel(model)) === 0);
  assert.ok(costOf(small).total.macs <= 0.6 * costOf(model).total.macs);
  const told = notes.map(({ action, node, why }) => `${action} ${node}: ${why}`).join('\n');
  assert.match(told, /changed Conv_1: \d of 8 units of w0\[0\] are left; 2 other nodes shrink with it/);
  assert.match(told, /changed Conv_11: refitted: the error of its outputs falls from .* to /);
  assert.match(told, /refused Gemm_20: w18\[1\] keeps its size: it reaches the output/);
  const again = await prune(model, { ratio: 0.4 }, normalData([3, 8, 8], 64));
  assert.ok(Buffer.compare(encodeModel(small), encodeModel(again.model)) === 0, 'two runs differ');
});

test('nothing to do, nothing that can be done, no data, too much asked for', async () => {
  const model = PRUNE_NETS.attention!(1);
  const nothing = await prune(model, { ratio: 0 });
  assert.ok(nothing.model === model && !nothing.modified);
  await assert.rejects(prune(model, {}), /none is given: refitting .* needs samples/);
  await assert.rejects(prune(model, { repair: false, importance: 'activations' }), /ranking by activations/);
  const single = parseText(`<ir_version: 8, opset_import: ["": 17]>
g (float[N, 2] x) => (float[N, 2] y) <float[2, 2] w = {1, 2, 3, 4}> { y = MatMul(x, w) }`);
  await assert.rejects(prune(single, { repair: false }), { code: 'NOTHING_TO_PRUNE' });
  const { notes } = await prune(model, { ratio: 0.95, maxRatio: 0.3, repair: false });
  assert.match(
    notes.at(-1)!.why,
    /the limits allow no more: \d+ % of the MACs are left, where 95 % of the macs/,
  );
});

/** Share of the right answers, and the mean square distance of the outputs from those wanted. */
async function judge(model: Model, whole: Model, data: Dataset): Promise<{ right: number; error: number }> {
  const [a, b] = [await openSession(model), await openSession(whole)];
  let [right, rows, error] = [0, 0, 0];
  try {
    for await (const { feeds, labels } of bind(data, a.inputs, { batch: 100 })) {
      const [got, wanted] = [await a.run(feeds), await b.run(feeds)].map((all) => Object.values(all)[0]!);
      const [values, others, classes] = [got!.numbers(), wanted!.numbers(), got!.dims.at(-1)!];
      for (const [i, label] of labels!.numbers().entries()) {
        const row = values.slice(i * classes, (i + 1) * classes);
        if (row.indexOf(Math.max(...row)) === label) right++;
        rows++;
      }
      for (const [i, value] of values.entries()) error += (value - others[i]!) ** 2;
    }
  } finally {
    await Promise.all([a.dispose(), b.dispose()]);
  }
  return { right: right / rows, error };
}

test('keyword spotter at half of its MACs: refitting brings most of the answers back', async () => {
  const folder = join(ROOT, 'examples/keyword-spotter');
  const data = await openNpz(join(folder, 'data.npz'));
  const { model } = await runPasses(await loadModel(join(folder, 'heavy.onnx')), cleanSteps(), QUIET);
  const every = (from: number) =>
    subset(
      data,
      Array.from({ length: data.size / 4 }, (_, i) => 4 * i + from),
    );
  const held = every(1);
  const cut = await runPasses(model, [step(structuredPruning, { repair: false })], QUIET);
  const fitted = await runPasses(model, [step(structuredPruning)], { ...QUIET, calibration: every(0) });
  const [whole, before, after] = [
    await judge(model, model, held),
    await judge(cut.model, model, held),
    await judge(fitted.model, model, held),
  ];
  assert.equal(costOf(cut.model).total.macs, costOf(fitted.model).total.macs);
  assert.ok(whole.right > 0.8, `${whole.right}`);
  assert.ok(after.error < 0.5 * before.error, `${before.error} to ${after.error}`);
  assert.ok(after.right > before.right + 0.2, `${before.right} to ${after.right}`);
});
