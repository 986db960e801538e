import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Random } from '../../src/base/index.ts';
import { openBundle } from '../../src/bundle/index.ts';
import { type Dataset, writeNpz } from '../../src/data/index.ts';
import { saveModel } from '../../src/files/index.ts';
import { parseText, Tensor } from '../../src/graph/index.ts';
import { cloudNet, clouds } from '../exits-nets.ts';
import { assertFailed, makeFolder, modicum, removeFolder } from './cli.ts';

async function dump(dataset: Dataset, path: string): Promise<void> {
  for await (const { feeds, labels } of dataset.read({ batch: dataset.size })) {
    await writeNpz(path, { x: feeds.x!, ...(dataset.labels && { labels: labels! }) });
  }
}

describe('exits', () => {
  let folder = '';
  before(async () => {
    folder = await makeFolder();
    await saveModel(await cloudNet(), join(folder, 'net.onnx'));
    await dump(clouds(3000, 31), join(folder, 'train.npz'));
    await dump(clouds(3000, 32), join(folder, 'data.npz'));
    await dump(clouds(1000, 33, false), join(folder, 'bare.npz'));
  });
  after(() => removeFolder(folder));

  test('says where samples leave and what is promised, and writes a bundle that answers', async () => {
    const line = ['exits', 'net.onnx', '--data', 'data.npz', '--train-data', 'train.npz', '--max-drop', '2'];
    const rest = ['--epochs', '8', '--threads', '1', '--out', 'bundle', '--json', 'exits.json'];
    const { code, stdout, stderr } = await modicum([...line, ...rest], folder);
    assert.equal(code, 0, stderr);
    assert.match(
      stdout,
      /place behind +work so far[\s\S]*exit1 behind[\s\S]*certified at 95\.0 %[\s\S]*batch +run as[\s\S]*1 +one file[\s\S]*32 +stages[\s\S]*wrote bundle/,
    );
    assert.doesNotMatch(stdout, /NaN|undefined|Infinity/);
    const json = JSON.parse(await readFile(join(folder, 'exits.json'), 'utf8'));
    assert.equal(json.certificate.outcome, 'certified');
    assert.ok(json.test.macsShare < 1);
    assert.equal(json.measured.batches.length, 2);
    const { session, bundle, as } = await openBundle(join(folder, 'bundle'));
    assert.equal(as, 'stages');
    assert.deepEqual(Object.keys(bundle.models).slice(0, 2), ['one-file', 'as-given']);
    try {
      for await (const { feeds } of clouds(40, 34).read({ batch: 40 })) {
        const { class: scores } = await session.run({ x: feeds.x! });
        assert.deepEqual(scores!.dims, [40, 4]);
      }
    } finally {
      await session.dispose();
    }
  });

  test('a promise that cannot be given is said, with exit code 1', async () => {
    const line = [
      'exits',
      'net.onnx',
      '--data',
      'bare.npz',
      '--metric',
      'agreement',
      '--max-drop',
      '0.1',
      '--by',
      'time',
    ];
    const { code, stdout, stderr } = await modicum([...line, '--epochs', '2', '--threads', '1'], folder);
    assert.equal(code, 1, stderr);
    assert.match(stdout, /time so far[\s\S]*infeasible: it cannot be certified/);
  });

  test('a cascade: a first model answers what it is sure of', async () => {
    const line = ['exits', 'net.onnx', '--first', 'net.onnx', '--data', 'data.npz', '--max-drop', '2'];
    const rest = ['--threads', '1', '--no-speed', '--out', 'cascade'];
    const { code, stdout, stderr } = await modicum([...line, ...rest], folder);
    assert.equal(code, 0, stderr);
    // The same model twice: whoever it is sure of leaves at the first.
    assert.match(stdout, /leaving +MACs[\s\S]*net +[\s\S]*certified at 95\.0 %[\s\S]*wrote cascade/);
    assert.doesNotMatch(stdout, /run as/);
    const { session, bundle } = await openBundle(join(folder, 'cascade'));
    assert.equal(bundle.stages![0]!.carried.length, 0);
    await session.dispose();
  });

  test('streams are decided early', async () => {
    // Each frame says the class a little; frames are summed.
    const model = parseText(`<ir_version: 8, opset_import: ["" : 17]> g (float[N, 8, 4] x) => (float[N, 4] y)
      <int64[1] a = {1}> { y = ReduceSum<keepdims = 0>(x, a) }`);
    await saveModel(model, join(folder, 'sum.onnx'));
    const random = new Random(5);
    const labels = Array.from({ length: 2000 }, () => random.below(4));
    const x = Float32Array.from({ length: 2000 * 32 }, (_, i) => {
      const label = labels[Math.floor(i / 32)]!;
      return (i % 4 === label ? 1.2 : 0) + 0.5 * random.normal();
    });
    const arrays = { x: Tensor.float32([2000, 8, 4], x), labels: Tensor.int64([2000], labels) };
    await writeNpz(join(folder, 'streams.npz'), arrays);
    const line = [
      'exits',
      'sum.onnx',
      '--stream',
      '1',
      '--hop',
      '1',
      '--data',
      'streams.npz',
      '--max-drop',
      '2',
    ];
    const { code, stdout, stderr } = await modicum(
      [...line, '--threads', '1', '--json', 'stream.json'],
      folder,
    );
    assert.equal(code, 0, stderr);
    assert.match(
      stdout,
      /decided at +threshold[\s\S]*certified at 95\.00 %[\s\S]*heard: [0-7]\.\d\d of 8 steps/,
    );
    const { test: figures } = JSON.parse(await readFile(join(folder, 'stream.json'), 'utf8'));
    assert.ok(figures.saved > 0.3, `${figures.saved}`);
    assertFailed(await modicum(line.slice(0, 4).concat(line.slice(6)), folder), 'USAGE_BAD_OPTION', /--hop/);
  });

  test('refuses what makes no sense before it begins', async () => {
    const line = ['exits', 'net.onnx', '--data'];
    assertFailed(await modicum([...line, 'bare.npz'], folder), 'DATA_NO_LABELS', /agreement|has none/);
    assertFailed(
      await modicum([...line, 'data.npz', '--metric', 'mae'], folder),
      'USAGE_BAD_OPTION',
      /certified/,
    );
    assertFailed(
      await modicum([...line, 'data.npz', '--measure', 'luck'], folder),
      'USAGE_BAD_OPTION',
      /entropy/,
    );
    assertFailed(
      await modicum([...line, 'data.npz', '--at', 'nowhere'], folder),
      'EXITS_NO_PLACE',
      /nowhere/,
    );
  });
});
