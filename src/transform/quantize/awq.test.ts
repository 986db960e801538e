import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gemmNet, linearNet, WIDTH } from '../../../test/linear-nets.ts';
import { Net, normalData, normals, sqnr } from '../../../test/quantize-nets.ts';
import { type ModicumError, Random, SILENT } from '../../base/index.ts';
import { type Dataset, inMemory } from '../../data/index.ts';
import { encodeModel, type Model, Tensor } from '../../graph/index.ts';
import { openSession } from '../../run/index.ts';
import { type AwqOptions, awqQuantization, awqScaling } from './awq.ts';
import { gptqQuantization } from './gptq.ts';
import { weightOnlyQuantization } from './weight-only.ts';

const context = (calibration: Dataset | undefined) => ({ progress: SILENT, seed: 1, calibration });
const OPTIONS: AwqOptions = { ...awqQuantization.defaults, least: 1, accuracyLevel: 1 };

async function answer(model: Model, x: Tensor): Promise<Tensor> {
  const session = await openSession(model, { threads: 1 });
  try {
    return (await session.run({ x }))[session.outputs[0]!.name]!;
  } finally {
    await session.dispose();
  }
}

/** Decibels of the rounded model on samples that the passes did not see. */
async function near(float: Model, other: Model, dims: readonly number[]): Promise<number> {
  const x = normals(new Random(99), [40, ...dims]);
  return sqnr(await answer(float, x), await answer(other, x));
}

test('where some activations are far larger, 4 bits lose less than without the factors; GPTQ goes with them', async () => {
  for (const { model, data, dims } of [linearNet(3, 'attention'), linearNet(3, 'gated'), gemmNet(2)]) {
    const before = encodeModel(model);
    const plain = await weightOnlyQuantization.apply(model, OPTIONS, context(data));
    const made = await awqQuantization.apply(model, OPTIONS, context(data));
    const [without, after] = [await near(model, plain.model, dims), await near(model, made.model, dims)];
    assert.ok(after > without + 1, `${after} dB against ${without} dB`);
    assert.ok(made.fusion!.nodes.every(({ status }) => status === 'fused'));
    assert.ok(
      made.notes.some(({ why }) => /^4-bit weights .*; channels of its input divided .* alpha/.test(why)),
    );
    const scaled = await awqScaling.apply(model, OPTIONS, context(data));
    const both = await gptqQuantization.apply(
      scaled.model,
      { ...gptqQuantization.defaults, ...OPTIONS },
      context(data),
    );
    assert.ok((await near(model, both.model, dims)) > without + 0.5);
    assert.deepEqual(encodeModel(model), before);
  }
});

test('a value that nothing makes gets a Mul of its own only where asked for and where it pays', async () => {
  const net = new Net(1);
  const model = net.model(['N', WIDTH], [net.matmul('x', WIDTH, 32)]);
  const rows = normals(new Random(2), [64, WIDTH])
    .as('float32')
    .map((value, i) => value * (i % WIDTH === 3 ? 100 : 1));
  const data = inMemory({ x: Tensor.float32([64, WIDTH], rows) });
  const never = await awqScaling.apply(model, OPTIONS, context(data));
  assert.equal(never.modified, false);
  assert.equal(never.model, model);
  assert.match(never.notes[0]!.why, /an input of the model/);
  const pays = await awqScaling.apply(model, { ...OPTIONS, explicit: 'pays' }, context(data));
  assert.deepEqual(
    pays.model.graph.nodes.map(({ op }) => op),
    ['Mul', 'MatMul'],
  );
  const even = await awqScaling.apply(
    model,
    { ...OPTIONS, explicit: 'pays' },
    context(normalData([WIDTH], 64)),
  );
  assert.equal(even.modified, false);
  assert.match(even.notes[0]!.why, /saves .* dB of 3 at least/);
});

test('exclusions are left alone, and what cannot be done ends with its code', async () => {
  const { model, data } = linearNet(3, 'attention');
  const names = model.graph.nodes.filter(({ op }) => op === 'MatMul').map(({ name }) => name);
  const made = await awqScaling.apply(model, { ...OPTIONS, exclude: names }, context(data));
  assert.equal(made.modified, false);
  const refused = (run: Promise<unknown>, code: string) =>
    assert.rejects(run, (thrown: ModicumError) => thrown.code === code);
  await refused(awqScaling.apply(model, OPTIONS, context(undefined)), 'CALIBRATION_NEEDED');
  await refused(
    awqScaling.apply(model, { ...OPTIONS, blockSize: 8 as never }, context(data)),
    'USAGE_BAD_OPTION',
  );
});
