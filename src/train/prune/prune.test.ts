import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accuracy, spiral, spiralNet } from '../../../test/train/spiral.ts';
import { costOf, encodeModel } from '../../graph/index.ts';
import { train } from '../train.ts';
import { prune } from './prune.ts';

const DATA = spiral(1500, 1);
const BARE = spiral(1500, 1, false);
const TEST = spiral(600, 2);
const { model: MODEL } = await train(spiralNet(1, 64), DATA, { epochs: 30, rate: 0.02, batch: 50 });
const TUNE = { epochs: 10, rate: 5e-3, batch: 50 };

for (const [title, data, options] of [
  ['by weights', DATA, { importance: 'l1' }],
  ['by gradients', DATA, {}],
  ['by activations, without labels', BARE, {}],
  ['in three rounds', DATA, { rounds: 3 }],
  ['the same share everywhere', DATA, { limits: { scope: 'uniform' } }],
] as const) {
  test(`three quarters of the units go, and the rest learns to do without: ${title}`, async () => {
    const seen = new Map<string, number>();
    const watch = async (stage: string, round: number, model: typeof MODEL) => {
      if (round === ((options as { rounds?: number }).rounds ?? 1))
        seen.set(stage, await accuracy(model, TEST));
    };
    const { model, rounds, macs, macsBefore } = await prune(MODEL, data, {
      ...options,
      ratio: 0.75,
      tune: TUNE,
      watch,
    });
    assert.ok(macs <= macsBefore / 4 && macs === costOf(model).total.macs);
    assert.ok(encodeModel(model).byteLength < encodeModel(MODEL).byteLength / 2, 'physically smaller');
    assert.ok(rounds.every(({ reached }) => reached));
    const [cut, repaired, tuned] = ['cut', 'repaired', 'tuned'].map((stage) => seen.get(stage)!);
    assert.ok(repaired! >= cut! - 3 && tuned! > 90 && tuned! >= repaired!, `${cut} ${repaired} ${tuned}`);
  });
}

test('without data it only cuts; a watcher sees nothing else', async () => {
  const stages: string[] = [];
  const { model } = await prune(MODEL, undefined, {
    ratio: 0.5,
    watch: async (stage) => void stages.push(stage),
  });
  assert.deepEqual(stages, ['cut']);
  assert.deepEqual(model.graph.initializers.get('w1')!.dims, [2, 32]);
});

test('the same seed gives the same bytes', async () => {
  const run = async () =>
    Buffer.from(encodeModel((await prune(MODEL, DATA, { tune: { ...TUNE, epochs: 2 }, seed: 4 })).model));
  assert.ok((await run()).equals(await run()));
});

test('a share of the time of a call, measured', async () => {
  const wide = spiralNet(1, 4096);
  const { macs, macsBefore, latency } = await prune(wide, undefined, {
    latency: 0.6,
    latencyOptions: { batch: 64, threads: 1, seconds: 0.3 },
  });
  assert.ok(
    macs < macsBefore && latency !== undefined && latency < 0.9,
    `${macs} of ${macsBefore}: ${latency}`,
  );
});

test('what cannot be is refused', async () => {
  await assert.rejects(prune(MODEL, undefined, { importance: 'taylor' }), { code: 'TRAINING_NEEDED' });
  await assert.rejects(prune(MODEL, DATA, { ratio: 0.5, latency: 0.5 }), { code: 'USAGE_BAD_OPTION' });
  await assert.rejects(prune(MODEL, DATA, { ratio: 1 }), { code: 'USAGE_BAD_OPTION' });
  await assert.rejects(prune(MODEL, DATA, { importance: 'luck' }), {
    code: 'USAGE_BAD_OPTION',
    message: /l1, l2/,
  });
  const reach = prune(MODEL, undefined, { latency: 0.001, latencyOptions: { seconds: 0.1 } });
  await assert.rejects(reach, { code: 'PRUNE_OUT_OF_REACH' });
});
