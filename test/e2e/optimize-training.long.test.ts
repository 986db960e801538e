import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Dataset, writeNpz } from '../../src/data/index.ts';
import { saveModel } from '../../src/files/index.ts';
import type { Tensor } from '../../src/graph/index.ts';
import { train } from '../../src/train/index.ts';
import { spiral, spiralNet } from '../train/spiral.ts';
import { modicum, temporary } from './cli.ts';

async function dump(dataset: Dataset, path: string): Promise<void> {
  const arrays: Record<string, Tensor> = {};
  for await (const { feeds, labels } of dataset.read({ batch: dataset.size }))
    Object.assign(arrays, feeds, { labels });
  await writeNpz(path, arrays);
}

test('with samples to learn from, optimize cuts and teaches, and ships what is smaller', async (t) => {
  const folder = await temporary(t);
  const { model } = await train(spiralNet(1, 4096), spiral(3000, 7), { epochs: 10, rate: 0.005 });
  await saveModel(model, join(folder, 'wide.onnx'));
  await dump(spiral(2000, 22), join(folder, 'data.npz'));
  await dump(spiral(3000, 33), join(folder, 'train.npz'));
  const line =
    'optimize wide.onnx --data data.npz --train-data train.npz --metric top1 --minimize size --budget 60s --out bundle';
  const { code, stderr } = await modicum([...line.split(' '), '--json', 'story.json'], folder);
  assert.equal(code, 0, stderr);
  const { story } = JSON.parse(await readFile(join(folder, 'story.json'), 'utf8'));
  const tried = story.variants.map(({ title }: { title: string }) => title);
  assert.ok(tried.includes('pruned (50 % of the MACs)'), String(tried));
  assert.ok(
    tried.some((title: string) => title.startsWith('mlp distilled')),
    String(tried),
  );
  const chosen = story.variants.find(({ id }: { id: string }) => id === story.chosen);
  assert.match(chosen.title, /pruned|distilled/);
  assert.ok(chosen.figures.size.value < 40_000, `${chosen.title}: ${chosen.figures.size.value} bytes`);
  assert.equal(story.data.training, 3000);
});
