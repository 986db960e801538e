import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { accuracy, spiralNet as net, spiral } from '../../test/train/spiral.ts';
import { inMemory } from '../data/index.ts';
import { encodeModel, parseText, Tensor } from '../graph/index.ts';
import { metricByName } from '../measure/index.ts';
import { train } from './train.ts';

const FOLDER = mkdtempSync(join(tmpdir(), 'modicum-train-'));
after(() => rmSync(FOLDER, { recursive: true, force: true }));

const DATA = spiral(1500, 1);
const TEST = spiral(600, 2);
const FIT = { epochs: 30, rate: 0.02, batch: 50, seed: 3 } as const;

for (const options of [
  {},
  { optimizer: 'sgd', rate: 0.5, decay: 1e-4, schedule: 'step' },
  { optimizer: 'adamw', decay: 0.01, clip: 1, average: 0.98 },
  { mixup: 0.1, smoothing: 0.05, schedule: 'linear', warmUp: 20 },
]) {
  test(`a net learns what lines cannot tell apart ${JSON.stringify(options)}`, async () => {
    assert.ok((await accuracy(net(), TEST)) < 60);
    const { model, losses, steps, parameters } = await train(net(), DATA, { ...FIT, ...options });
    assert.ok((await accuracy(model, TEST)) > 90, `${await accuracy(model, TEST)}`);
    assert.ok(losses.at(-1)! < losses[0]! / 1.5, String(losses));
    assert.deepEqual([losses.length, steps, parameters], [30, 900, 2 * 32 + 32 + 32 * 3 + 3]);
  });
}

test('the same seed gives the same bytes, another seed others', async () => {
  const run = async (seed: number) =>
    Buffer.from(encodeModel((await train(net(), DATA, { ...FIT, epochs: 2, mixup: 0.2, seed })).model));
  const [one, two, other] = [await run(1), await run(1), await run(2)];
  assert.ok(one.equals(two));
  assert.ok(!one.equals(other));
});

test('a run that was stopped goes on from its checkpoint, and ends as if it had not been', async () => {
  const checkpoint = join(FOLDER, 'run');
  const options = {
    ...FIT,
    epochs: 4,
    average: 0.9,
    checkpoint,
    validation: { data: TEST, metric: metricByName('top1') },
  };
  const whole = await train(net(), DATA, { ...options, checkpoint: undefined });
  const stopper = new AbortController();
  let seen = 0;
  const progress = {
    stage: (label: string) => ({
      advance(done = 1) {
        if (label === 'Training') seen += done;
        if (seen === 47) stopper.abort(new Error('stop'));
      },
      end() {},
    }),
  };
  await assert.rejects(train(net(), DATA, { ...options, progress, signal: stopper.signal }), /stop/);
  assert.ok(existsSync(checkpoint) && seen < 60);
  const resumed = await train(net(), DATA, options);
  assert.ok(resumed.resumed);
  assert.deepEqual(resumed.losses, whole.losses);
  assert.deepEqual(resumed.validation, whole.validation);
  assert.ok(Buffer.from(encodeModel(resumed.model)).equals(Buffer.from(encodeModel(whole.model))));
  await assert.rejects(train(net(), DATA, { ...options, seed: 9 }), { code: 'CHECKPOINT_MISMATCH' });
  writeFileSync(checkpoint, readFileSync(checkpoint).subarray(0, 100));
  await assert.rejects(train(net(), DATA, options), { code: 'CHECKPOINT_INVALID' });
});

test('what cannot be written is said, and the older checkpoint stays', async () => {
  const checkpoint = join(FOLDER, 'no', 'run');
  writeFileSync(join(FOLDER, 'no'), 'a file where a folder should be');
  await assert.rejects(train(net(), DATA, { ...FIT, epochs: 1, checkpoint }), { code: 'FILE_NOT_WRITTEN' });
});

test('a value that is not finite is named with its step and layer', async () => {
  const wild = net();
  wild.graph.initializers.set('w2', Tensor.float32([32, 3], new Float32Array(96).fill(3e38)));
  await assert.rejects(train(wild, DATA, FIT), (thrown: { code: string; message: string; data: object }) => {
    assert.equal(thrown.code, 'TRAIN_NOT_FINITE');
    assert.match(thrown.message, /step 1: the output of .*MatMul.* is the first that is not finite/);
    return true;
  });
});

test('frozen weights stay, the others move', async () => {
  const { model, weights } = await train(net(), DATA, { ...FIT, epochs: 1, freeze: ['^w1$', 'b'] });
  assert.deepEqual(weights, ['w2']);
  const before = net().graph.initializers;
  for (const [name, tensor] of model.graph.initializers) {
    const same = Buffer.from(tensor.bytes()).equals(Buffer.from(before.get(name)!.bytes()));
    assert.equal(same, name !== 'w2', name);
  }
});

test('the best epoch on the validation samples is the result', async () => {
  const validation = { data: TEST, metric: metricByName('top1'), patience: 3 };
  const found = await train(net(), DATA, { ...FIT, schedule: 'constant', rate: 0.3, validation });
  const best = Math.max(...found.validation);
  assert.equal(found.validation[found.bestEpoch! - 1], best);
  assert.equal(await accuracy(found.model, TEST), best);
  assert.ok(found.validation.length === 30 || found.validation.length === found.bestEpoch! + 3);
});

test('bad requests are refused before any step', async () => {
  const labels = (values: number[], dims = [values.length]) =>
    inMemory(
      { x: Tensor.float32([values.length, 2], new Float32Array(2 * values.length)) },
      Tensor.int64(dims, values),
    );
  await assert.rejects(train(net(), labels([0, 1, 3, 2]), {}), {
    code: 'TRAIN_LABELS_RANGE',
    message: /sample 2 .* 3/,
  });
  await assert.rejects(train(net(), labels([0]), {}), { code: 'DATA_TOO_FEW' });
  const none = inMemory({ x: Tensor.float32([8, 2], new Float32Array(16)) });
  await assert.rejects(train(net(), none, {}), { code: 'TRAIN_TARGET_MISMATCH' });
  await assert.rejects(train(net(), DATA, { freeze: ['.'] }), { code: 'TRAIN_NO_WEIGHTS' });
  await assert.rejects(train(net(), DATA, { freeze: ['nothing'] }), { code: 'USAGE_BAD_OPTION' });
  await assert.rejects(train(net(), DATA, { epochs: 1, steps: 2 }), { code: 'USAGE_BAD_OPTION' });
  await assert.rejects(train(net(), DATA, { losses: [{ loss: 'kl' }] }), { code: 'USAGE_BAD_OPTION' });
  const bare = parseText(
    '<ir_version: 10, opset_import: ["" : 17]> g (float[n, 2] x) => (float[n, 2] y) { y = Relu(x) }',
  );
  await assert.rejects(train(bare, DATA, {}), { code: 'TRAIN_NO_WEIGHTS' });
});
