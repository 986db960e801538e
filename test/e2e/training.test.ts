import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { Dataset } from '../../src/data/index.ts';
import { writeNpz } from '../../src/data/index.ts';
import { loadModel, saveModel } from '../../src/files/index.ts';
import type { Tensor } from '../../src/graph/index.ts';
import { accuracy, spiral, spiralNet } from '../train/spiral.ts';
import { assertFailed, makeFolder, modicum, removeFolder, start, tree } from './cli.ts';

async function dump(dataset: Dataset, path: string, labelled = true): Promise<void> {
  const arrays: Record<string, Tensor> = {};
  for await (const { feeds, labels } of dataset.read({ batch: dataset.size })) {
    arrays.x = feeds.x!;
    if (labelled) arrays.labels = labels!;
  }
  await writeNpz(path, arrays);
}

describe('training', { concurrency: 2 }, () => {
  let folder = '';
  before(async () => {
    folder = await makeFolder();
    await saveModel(spiralNet(1, 48), join(folder, 'net.onnx'));
    await saveModel(spiralNet(5, 12), join(folder, 'small.onnx'));
    await dump(spiral(1500, 1), join(folder, 'train.npz'));
    await dump(spiral(1500, 3), join(folder, 'bare.npz'), false);
  });
  after(() => removeFolder(folder));

  test('train, then distil from what was trained, without labels', async () => {
    const fit = ['--epochs', '25', '--rate', '0.02', '--batch', '50'];
    const line = [
      'train',
      'net.onnx',
      '--data',
      'train.npz',
      '--metric',
      'top1',
      ...fit,
      '--json',
      'train.json',
    ];
    const { code, stdout, stderr } = await modicum(line, folder);
    assert.equal(code, 0, stderr);
    assert.match(
      stdout,
      /epoch +loss +top1[\s\S]*the best on the validation samples[\s\S]*wrote net\.trained\.onnx/,
    );
    const json = JSON.parse(await readFile(join(folder, 'train.json'), 'utf8'));
    assert.equal(json.losses.length, 25);
    assert.ok(json.bestEpoch >= 1 && json.parameters === 2 * 48 + 48 + 48 * 3 + 3);
    const teacher = await loadModel(join(folder, 'net.trained.onnx'));
    assert.ok((await accuracy(teacher, spiral(600, 2))) > 93);
    const distil = ['distill', 'net.trained.onnx', '--student', 'small.onnx', '--data', 'bare.npz', ...fit];
    const done = await modicum([...distil, '--out', 'taught.onnx'], folder);
    assert.equal(done.code, 0, done.stderr);
    assert.match(done.stdout, /student: small\.onnx, 60\.0 MACs \(the teacher takes 240\)/);
    assert.ok((await accuracy(await loadModel(join(folder, 'taught.onnx')), spiral(600, 2))) > 88);
    for (const name of ['net.trained.onnx', 'taught.onnx'])
      assert.ok(!existsSync(join(folder, `${name}.checkpoint`)));
  });

  test('distil into a built-in architecture of a share of the MACs', async () => {
    const line = ['distill', 'net.onnx', '--student', 'mlp:x0.02', '--data', 'bare.npz', '--epochs', '2'];
    const { code, stderr } = await modicum([...line, '--out', 'mlp.onnx'], folder);
    assert.equal(code, 0, stderr);
    assert.equal((await loadModel(join(folder, 'mlp.onnx'))).graph.outputs[0]!.name, 'p');
  });

  test('prune: what shrinks together, then a cut that is repaired and taught', async () => {
    const groups = await modicum(['prune', 'net.onnx', '--groups'], folder);
    assert.equal(groups.code, 0, groups.stderr);
    assert.match(groups.stdout, /w1/);
    const line =
      'prune net.onnx --data train.npz --ratio 0.5 --epochs 2 --json prune.json --out cut.onnx'.split(' ');
    const { code, stdout, stderr } = await modicum(line, folder);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /of 240 MACs are left \(2\.00 times fewer\)[\s\S]*wrote cut\.onnx/);
    assert.deepEqual((await loadModel(join(folder, 'cut.onnx'))).graph.initializers.get('w1')!.dims, [2, 24]);
    assert.equal(JSON.parse(await readFile(join(folder, 'prune.json'), 'utf8')).rounds.length, 1);
    assert.ok(!existsSync(join(folder, 'cut.onnx.checkpoint')));
  });

  test('a killed run goes on where it was, and ends in the same bytes', async () => {
    const line = ['train', 'net.onnx', '--data', 'train.npz', '--epochs', '4000', '--steps', '0'].slice(
      0,
      -2,
    );
    const part = (out: string) => [...line.slice(0, -1), '60', '--batch', '25', '--out', out];
    const whole = await modicum(part('whole.onnx'), folder);
    assert.equal(whole.code, 0, whole.stderr);
    const { child, ended } = start(part('part.onnx'), folder);
    const checkpoint = join(folder, 'part.onnx.checkpoint');
    for (let i = 0; i < 400 && !existsSync(checkpoint); i++) await setTimeout(10);
    child.kill('SIGKILL');
    await ended;
    assert.ok(!existsSync(join(folder, 'part.onnx')) || !existsSync(checkpoint));
    const resumed = await modicum(part('part.onnx'), folder);
    assert.equal(resumed.code, 0, resumed.stderr);
    const [one, other] = await Promise.all(
      ['whole', 'part'].map((name) => readFile(join(folder, `${name}.onnx`))),
    );
    assert.ok(one!.equals(other!));
    const leftovers = (await tree(folder)).filter(
      (name) => name.includes('.part') && !name.startsWith('part'),
    );
    assert.ok(leftovers.length <= 1, String(leftovers));
  });

  test('what cannot be done is said before anything is written', async () => {
    await writeFile(join(folder, 'file'), '');
    const cases = [
      ['train net.onnx --data bare.npz', 'TRAIN_TARGET_MISMATCH', /labels/],
      ['train net.onnx --data train.npz --loss hinge', 'USAGE_BAD_OPTION', /hinge/],
      ['train net.onnx --data train.npz --freeze .', 'TRAIN_NO_WEIGHTS', /frozen/],
      ['train net.onnx --data train.npz --epochs 1 --steps 2', 'USAGE_BAD_OPTION', /exclude/],
      ['train net.onnx --data train.npz --out net.onnx', 'USAGE_BAD_OPTION', /lost/],
      ['train net.onnx --data train.npz --out file/x.onnx', 'FILE_NOT_WRITTEN', /file/],
      ['distill net.onnx --data bare.npz --student tower', 'USAGE_BAD_OPTION', /tower/],
      ['distill net.onnx --data bare.npz --student none.onnx', 'FILE_NOT_FOUND', /none/],
      ['distill net.onnx --data bare.npz --student ds-cnn', 'ARCHITECTURE_UNFIT', /picture/],
      [
        'distill net.onnx --data bare.npz --student small.onnx --features c',
        'USAGE_BAD_OPTION',
        /student=teacher/,
      ],
      ['prune net.onnx --ratio 2', 'USAGE_BAD_OPTION', /ratio/],
      ['prune net.onnx --importance taylor', 'TRAINING_NEEDED', /samples/],
      ['distill http://127.0.0.1:9/v2/models/m --data bare.npz --student small.onnx', 'REMOTE_FAILED', /127/],
    ] as const;
    for (const [line, code, about] of cases)
      assertFailed(await modicum(line.split(' '), folder), code, about);
    assert.equal((await stat(join(folder, 'net.onnx'))).size > 0, true);
  });
});
