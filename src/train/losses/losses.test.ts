import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeGraph, makeModel, parseText, Tensor, tensorType } from '../../graph/index.ts';
import { openSession } from '../../run/index.ts';
import { Composer } from '../composer.ts';
import { LOSSES, type LossName, lossByName } from './index.ts';
import type { LossOptions } from './loss.ts';
import { tailOf } from './scores.ts';

/** The loss of scores `x` against a target, computed by the runtime. */
async function lossOf(
  name: LossName,
  x: Tensor,
  target: Tensor,
  options: LossOptions = {},
  mix?: { partner: number[]; share: number },
): Promise<number> {
  const model = makeModel(
    makeGraph({ inputs: [{ name: 'x', type: tensorType('float32', x.dims) }], outputs: [], nodes: [] }),
  );
  const to = new Composer(model, { x: x.dims });
  const wanted = lossByName(name).target(x.dims, options);
  assert.deepEqual([wanted.dtype, wanted.dims], [target.dtype, target.dims]);
  to.input('t', target.dtype, target.dims);
  const mixing = mix && {
    partner: to.input('partner', 'int64', [mix.partner.length]),
    share: to.input('share', 'float32', []),
  };
  to.output(lossByName(name).build({ to, prediction: 'x', target: 't', options, mixing }), 'loss');
  const session = await openSession(model);
  const extra = mix && {
    partner: Tensor.int64([mix.partner.length], mix.partner),
    share: Tensor.float32([], [mix.share]),
  };
  const { loss } = await session.run({ x, t: target, ...extra });
  await session.dispose();
  assert.deepEqual(loss!.dims, []);
  return loss!.numbers()[0]!;
}

function near(found: number, wanted: number, within = 1e-5): void {
  assert.ok(Math.abs(found - wanted) <= within * Math.max(1, Math.abs(wanted)), `${found}, not ${wanted}`);
}

const softmax = (z: readonly number[], t = 1) => {
  const e = z.map((v) => Math.exp(v / t));
  const sum = e.reduce((a, b) => a + b);
  return e.map((v) => v / sum);
};
const Z = [
  [1, -2, 0.5],
  [0, 3, -1],
] as const;
const SCORES = Tensor.float32([2, 3], Z.flat());

test('cross-entropy: -log of the probability of the class; smoothed and mixed as said', async () => {
  const labels = Tensor.int64([2], [2, 1]);
  const logs = Z.map((z) => softmax(z).map(Math.log));
  const own = [-logs[0]![2]!, -logs[1]![1]!];
  near(await lossOf('cross-entropy', SCORES, labels), (own[0]! + own[1]!) / 2);
  const smooth = (i: number) => 0.9 * own[i]! + 0.1 * -(logs[i]!.reduce((a, b) => a + b) / 3);
  near(await lossOf('cross-entropy', SCORES, labels, { smoothing: 0.1 }), (smooth(0) + smooth(1)) / 2);
  const mixed = 0.7 * (own[0]! + own[1]!) + 0.3 * (-logs[0]![1]! - logs[1]![2]!);
  near(await lossOf('cross-entropy', SCORES, labels, {}, { partner: [1, 0], share: 0.7 }), mixed / 2);
});

test('cross-entropy with classes on axis 1, and several places a sample', async () => {
  const turned = Tensor.float32([1, 3, 2], [1, 0, -2, 3, 0.5, -1]);
  const flat = await lossOf('cross-entropy', SCORES, Tensor.int64([2], [2, 1]));
  near(await lossOf('cross-entropy', turned, Tensor.int64([1, 2], [2, 1]), { axis: 1 }), flat);
});

test('binary cross-entropy, also where the exponential would overflow', async () => {
  const p = (z: number) => 1 / (1 + Math.exp(-z));
  const found = await lossOf(
    'binary-cross-entropy',
    Tensor.float32([2, 1], [0.3, -2]),
    Tensor.float32([2, 1], [1, 0]),
  );
  near(found, (-Math.log(p(0.3)) - Math.log(1 - p(-2))) / 2);
  near(
    await lossOf('binary-cross-entropy', Tensor.float32([2, 1], [500, -500]), Tensor.float32([2, 1], [0, 1])),
    500,
  );
});

for (const temperature of [1, 3]) {
  test(`kl at temperature ${temperature}: nothing against itself, else sum p log p/q times its square`, async () => {
    near(await lossOf('kl', SCORES, SCORES, { temperature }), 0, 1e-6);
    const teacher = [2, 0, -1, -1, 1, 1];
    let wanted = 0;
    for (const [i, z] of Z.entries()) {
      const [p, q] = [softmax(teacher.slice(3 * i, 3 * i + 3), temperature), softmax(z, temperature)];
      wanted += p.reduce((sum, value, c) => sum + value * Math.log(value / q[c]!), 0) / 2;
    }
    near(
      await lossOf('kl', SCORES, Tensor.float32([2, 3], teacher), { temperature }),
      wanted * temperature ** 2,
    );
  });
}

test('binary kl is least where the scores agree', async () => {
  const target = Tensor.float32([2, 1], [1.5, -0.5]);
  const at = (by: number) =>
    lossOf('binary-kl', Tensor.float32([2, 1], [1.5 + by, -0.5 + by]), target, { temperature: 2 });
  assert.ok((await at(0)) < (await at(0.2)) && (await at(0)) < (await at(-0.2)));
});

test('mse and cosine', async () => {
  const target = Tensor.float32([2, 3], [0, -2, 1, 0, 0, 0]);
  near(await lossOf('mse', SCORES, target), (1 + 0.25 + 9 + 1) / 6);
  const cosine = Tensor.float32([2, 3], [2, -4, 1, 0, -3, 1]);
  near(await lossOf('cosine', SCORES, cosine), 1, 1e-6);
});

test('an unknown loss is named with those there are', () => {
  assert.throws(() => lossByName('hinge'), { code: 'USAGE_BAD_OPTION', message: /cross-entropy, binary/ });
  assert.throws(() => lossByName('toString'), { code: 'USAGE_BAD_OPTION' });
  assert.equal(
    Object.values(LOSSES).every(({ name }, i) => name === Object.keys(LOSSES)[i]),
    true,
  );
});

test('the scores behind an output', () => {
  const model = (last: string) =>
    parseText(
      `<ir_version: 10, opset_import: ["" : 17]> g (float[n, 2] x) => (float[n, 2] y) { z = Exp(x) ${last} }`,
    );
  assert.deepEqual(tailOf(model('y = Softmax(z)'), 'y'), { scores: 'z', kind: 'softmax' });
  assert.deepEqual(tailOf(model('s = Sigmoid(z) y = Identity(s)'), 'y'), { scores: 'z', kind: 'sigmoid' });
  assert.deepEqual(tailOf(model('y = Relu(z)'), 'y'), { scores: 'y', kind: 'none' });
});
