import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Net, normalData, normals, sqnr } from '../../../test/quantize-nets.ts';
import { type ModicumError, Random, SILENT } from '../../base/index.ts';
import type { Dataset } from '../../data/index.ts';
import { assertValid, attr, encodeModel, type Model, Tensor } from '../../graph/index.ts';
import { openSession } from '../../run/index.ts';
import { biasAbsorption } from './absorb-bias.ts';
import { STATIC_DEFAULTS, staticQuantization } from './static.ts';

const IMAGE = [3, 8, 8];
const context = (calibration: Dataset | undefined) => ({ progress: SILENT, seed: 1, calibration });
const absorbed = (model: Model, data: Dataset | undefined, options = {}) =>
  biasAbsorption.apply(model, { ...biasAbsorption.defaults, ...options }, context(data));

async function answer(model: Model, x: Tensor): Promise<Tensor> {
  const session = await openSession(model, { threads: 1, level: 'disabled' });
  try {
    return (await session.run({ x }))[session.outputs[0]!.name]!;
  } finally {
    await session.dispose();
  }
}

/** A row of biases, every third one far above what the inputs can pull down. */
const highBias = (net: Net, channels: number) =>
  net.constant(
    Tensor.float32(
      [channels],
      Float32Array.from({ length: channels }, (_, i) => (i % 3 === 0 ? 60 + i : 0.1)),
    ),
  );

function convolutions(): Model {
  const net = new Net(2);
  const made = (x: string, dims: number[], group = 1) =>
    net.op('Conv', [x, net.weight(dims, 0.4), highBias(net, dims[0]!)], { group: attr.int(group) });
  const a = net.relu(made('x', [8, 3, 3, 3]));
  const b = net.op('LeakyRelu', [
    made(net.op('MaxPool', [a], { kernel_shape: attr.ints([2, 2]) }), [16, 1, 1, 1], 8),
  ]);
  // No bias: it gets one.
  const c = net.relu(net.op('Conv', [b, net.weight([6, 16, 1, 1], 0.2)]));
  return net.model(['N', ...IMAGE], [net.op('Conv', [c, net.weight([4, 6, 1, 1])])]);
}

function rows(): Model {
  const net = new Net(4);
  const a = net.relu(net.op('Add', [net.matmul('x', 16, 12), highBias(net, 12)]));
  const b = net.relu(
    net.op('Gemm', [a, net.weight([9, 12], 0.2), highBias(net, 9)], { transB: attr.int(1) }),
  );
  return net.model(['N', 16], [net.gemm(b, 9, 5, false, false)]);
}

test('on the calibration data the answers stay; the input is left alone', async () => {
  for (const [model, dims] of [
    [convolutions(), IMAGE],
    [rows(), [16]],
  ] as const) {
    const before = encodeModel(model);
    const x = normals(new Random(7), [32, ...dims]);
    const made = await absorbed(model, normalData(dims, 32));
    assertValid(made.model);
    assert.ok(made.notes.filter(({ action }) => action === 'changed').length >= 2);
    const [wanted, got] = [(await answer(model, x)).numbers(), (await answer(made.model, x)).numbers()];
    const top = Math.max(...[...wanted].map(Math.abs));
    wanted.forEach((value, i) => {
      assert.ok(Math.abs(value - got[i]!) < 1e-4 * top, `${got[i]}, not ${value}`);
    });
    assert.deepEqual(encodeModel(model), before);
    const half = await absorbed(model, normalData(dims, 32), { share: 0.5 });
    assert.ok(sqnr(await answer(model, x), await answer(half.model, x)) > 80);
  }
});

test('8 bits lose less afterwards', async () => {
  for (const [model, dims] of [
    [convolutions(), IMAGE],
    [rows(), [16]],
  ] as const) {
    const data = normalData(dims, 64);
    const x = normals(new Random(7), [64, ...dims]);
    const wanted = await answer(model, x);
    const near = async (float: Model) =>
      sqnr(
        wanted,
        await answer((await staticQuantization.apply(float, STATIC_DEFAULTS, context(data))).model, x),
      );
    const [before, after] = [await near(model), await near((await absorbed(model, data)).model)];
    assert.ok(after > before + 3, `${before} dB before, ${after} dB after`);
  }
});

test('padding, and layers that can hold no bias, are refused and told', async () => {
  const net = new Net(6);
  const a = net.relu(net.op('Conv', ['x', net.weight([8, 3, 1, 1]), highBias(net, 8)]));
  const padded = await absorbed(net.model(['N', ...IMAGE], [net.conv(a, 8, 4)]), normalData(IMAGE));
  assert.equal(padded.modified, false);
  assert.match(padded.notes[0]!.why, /pads with zeros/);
  const other = new Net(6);
  const b = other.relu(other.op('Add', [other.matmul('x', 16, 12), highBias(other, 12)]));
  const bare = await absorbed(other.model(['N', 16], [other.matmul(b, 12, 4)]), normalData([16]));
  assert.equal(bare.modified, false);
  assert.match(bare.notes[0]!.why, /has no bias/);
});

test('what cannot be done ends with its code', async () => {
  const refused = (run: Promise<unknown>, code: string) =>
    assert.rejects(run, (thrown: ModicumError) => thrown.code === code);
  await refused(absorbed(rows(), undefined), 'CALIBRATION_NEEDED');
  await refused(absorbed(rows(), normalData([16]), { share: 0 }), 'USAGE_BAD_OPTION');
});
