import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Random } from '../../src/base/index.ts';
import { writeNpz } from '../../src/data/index.ts';
import { loadModel, saveModel } from '../../src/files/index.ts';
import { mlp, normals } from '../quantize-nets.ts';
import { assertFailed, makeFolder, modicum, removeFolder, tree } from './cli.ts';

describe('modicum mix', { concurrency: 2 }, () => {
  let folder = '';
  const cache = () => ({ XDG_CACHE_HOME: join(folder, 'cache') });
  before(async () => {
    folder = await makeFolder();
    await saveModel(mlp(3), join(folder, 'mlp.onnx'));
    await writeNpz(join(folder, 'rows.npz'), { x: normals(new Random(2), [240, 32]) });
  });
  after(() => removeFolder(folder));

  test('writes the model, a table of layers and of variants, and all of it as JSON', async () => {
    const line =
      'mix mlp.onnx --data rows.npz --metric cosine --max-drop 0.05 --time 0.2s --candidates 3 --samples 32';
    const { code, stdout, stderr } = await modicum(
      [...line.split(' '), '--out', 'out.onnx', '--json', 'out.json'],
      folder,
      cache(),
    );
    assert.equal(code, 0, stderr);
    assert.match(stdout, /layer +operator +fp32 µs +int8 µs +int4 µs +harm int8 +harm int4 +is in/);
    assert.match(stdout, /variant +size +cosine lost, tuning +held out +speed +why/);
    assert.match(stdout, /is best: /);
    assert.match(stdout, /wrote out\.onnx/);
    const json = JSON.parse(await readFile(join(folder, 'out.json'), 'utf8'));
    assert.ok(['mixed', 'uniform', 'fp32'].includes(json.verdict));
    assert.equal(json.layers.length, 3);
    assert.deepEqual(
      Object.keys(json.assignment),
      json.layers.map(({ id }: { id: string }) => id),
    );
    assert.ok(json.variants.length >= 3 && json.records.length > 4);
    assert.ok(json.heldOut.drop.interval.high <= 0.05 || json.verdict === 'fp32');
    await loadModel(join(folder, 'out.onnx'));
    const kept = (await tree(join(folder, 'cache'))).filter((path) => path.endsWith('.json'));
    assert.ok(kept.some((path) => /sensitivity-/.test(path)) && kept.some((path) => /speed-/.test(path)));
  });

  test('for size, with float16', async () => {
    const line =
      'mix mlp.onnx --data rows.npz --metric cosine --max-drop 0.05 --time 0.2s --candidates 2 --samples 32 --no-cache';
    const { code, stdout, stderr } = await modicum(
      [...line.split(' '), '--minimize', 'size', '--out', 'small.onnx'],
      folder,
      cache(),
    );
    assert.equal(code, 0, stderr);
    assert.match(stdout, /fp16 µs/);
    assert.match(stdout, /of the bytes of|for all is best/);
  });

  for (const [line, wanted] of [
    ['mix mlp.onnx --data rows.npz', 'USAGE_BAD_OPTION'],
    ['mix mlp.onnx --data rows.npz --metric cosine --precisions fp32,int3', 'USAGE_BAD_OPTION'],
    ['mix mlp.onnx --data rows.npz --metric cosine --out mlp.onnx', 'USAGE_BAD_OPTION'],
    ['mix mlp.onnx --data rows.npz --metric cosine --minimize joy', 'USAGE_BAD_OPTION'],
    ['mix mlp.onnx --data rows.npz --metric top1', 'DATA_NO_LABELS'],
    ['mix mlp.onnx --data rows.npz --metric cosine --provider coreml', 'PROVIDER_UNAVAILABLE'],
  ] as const) {
    test(`refused: ${line}`, async () => {
      assertFailed(await modicum(line.split(' '), folder, cache()), wanted);
    });
  }
});
