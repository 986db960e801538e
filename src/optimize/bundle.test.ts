import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeGraph, makeModel, makeNode, tensorType } from '../graph/index.ts';
import { assertBundlePlace, readBundle, writeBundle } from './bundle.ts';
import { defaultRunSettings } from './settings.ts';

const value = (name: string) => ({ name, type: tensorType('float32', [1]) });
const model = makeModel(
  makeGraph({ inputs: [value('x')], outputs: [value('y')], nodes: [makeNode('Relu', ['x'], ['y'])] }),
);

async function temporary(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'modicum-bundle-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const write = (folder: string, name = 'net') =>
  writeBundle(folder, {
    about: {
      modicum: '0.1.0',
      name,
      chosen: 'clean',
      inputs: [{ name: 'x', dtype: 'float32', shape: [1] }],
      outputs: [{ name: 'y', dtype: 'float32', shape: null }],
      settings: defaultRunSettings(2),
      latencySettings: defaultRunSettings(1),
      goal: { metric: 'top1' },
      met: true,
    },
    models: [{ id: 'clean', model, recipe: [{ pass: 'clean', words: 'clean graph' }] }],
    records: [],
    story: {},
    report: '<!doctype html>',
  });

test('what is written is read back; a second bundle replaces the first', async (t) => {
  const folder = join(await temporary(t), 'bundle');
  const written = await write(folder);
  assert.deepEqual(await readBundle(folder), written);
  await write(folder, 'second');
  assert.equal((await readBundle(folder)).name, 'second');
  assert.deepEqual(await readdir(join(folder, '..')), ['bundle']);
});

test('a bundle that was tampered with is refused, whatever was touched', async (t) => {
  const folder = join(await temporary(t), 'bundle');
  const bundle = await write(folder);
  const refused = (message: RegExp) =>
    assert.rejects(readBundle(folder), { code: 'BUNDLE_INVALID', message });
  const put = (change: object) =>
    writeFile(join(folder, 'bundle.json'), JSON.stringify({ ...bundle, ...change }));
  const clean = bundle.models.clean!;
  await put({ version: 99 });
  await refused(/version/);
  await put({ chosen: 'other' });
  await refused(/other/);
  for (const file of ['../../secret.onnx', '/etc/passwd', 'models/../../x', '..\\x']) {
    await put({ models: { clean: { ...clean, file } } });
    await refused(/leaves the bundle/);
  }
  await put({});
  const path = join(folder, clean.file);
  const bytes = await readFile(path);
  bytes[bytes.length - 1]! ^= 1;
  await writeFile(path, bytes);
  await refused(/sha256/);
  await rm(path);
  await refused(/clean/);
  await writeFile(join(folder, 'bundle.json'), '{');
  await refused(/bundle\.json/);
});

test('a bundle never takes the place of what is no bundle', async (t) => {
  const folder = await temporary(t);
  const refused = (path: string) => assert.rejects(assertBundlePlace(path), { code: 'FILE_NOT_WRITTEN' });
  await writeFile(join(folder, 'file'), 'mine');
  await mkdir(join(folder, 'full'));
  await writeFile(join(folder, 'full/letter'), 'mine');
  await mkdir(join(folder, 'empty'));
  await refused(join(folder, 'file'));
  await refused(join(folder, 'file/below'));
  await refused(join(folder, 'full'));
  await refused(process.cwd());
  await refused('/');
  await assertBundlePlace(join(folder, 'empty'));
  await assertBundlePlace(join(folder, 'new/and/deep'));
  await assert.rejects(write(join(folder, 'full')), { code: 'FILE_NOT_WRITTEN' });
  assert.deepEqual(await readdir(join(folder, 'full')), ['letter']);
});
