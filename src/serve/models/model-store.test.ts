import assert from 'node:assert/strict';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { askWith, type ModelFolder, modelFolder, opener } from '../../../test/serve/model-folder.ts';
import type { ModicumError } from '../../base/index.ts';
import { findVersions } from './find-versions.ts';
import { ModelStore, type ModelStoreOptions } from './model-store.ts';

let folder: ModelFolder;
let store: ModelStore | undefined;
let events: string[] = [];
beforeEach(async () => {
  folder = await modelFolder();
  events = [];
});
afterEach(async () => {
  await store?.close();
  store = undefined;
  await folder.remove();
});

const code = (wanted: string) => (thrown: unknown) => (thrown as ModicumError).code === wanted;
const open = async (options: Partial<ModelStoreOptions> = {}) => {
  store = await ModelStore.open({
    places: [{ path: folder.path }],
    open: opener({ isolation: 'thread' }),
    onEvent: (kind) => events.push(kind),
    ...options,
  });
  return store;
};
const ask = async (models: ModelStore, name: string, version?: string) => {
  const lease = models.lease(name, version);
  try {
    return await askWith(lease.served);
  } finally {
    lease.release();
  }
};

test('models are found as files, as bundles, and as folders of versions in their order', async () => {
  for (const version of ['10', '9', 'v2', 'v10']) await folder.put('a', version, 1);
  await folder.put('b', '1', 1);
  await mkdir(join(folder.path, 'b', 'nothing'));
  await writeFile(join(folder.path, 'README.md'), 'no model');
  const found = await findVersions({ path: folder.path });
  assert.deepEqual(found.map(({ name, version }) => `${name} ${version}`).sort(), [
    'a 10',
    'a 9',
    'a v10',
    'a v2',
    'b 1',
  ]);
  const one = await findVersions({ path: join(folder.path, 'a') });
  assert.deepEqual(
    one.map(({ version }) => version),
    ['9', '10', 'v2', 'v10'],
  );
  const [file] = await findVersions({ path: join(folder.path, 'b', '1', 'model.onnx'), name: 'mine' });
  assert.deepEqual([file!.name, file!.version], ['mine', '1']);
  await assert.rejects(findVersions({ path: join(folder.path, 'none') }), code('FILE_NOT_FOUND'));
  await assert.rejects(
    findVersions({ path: join(folder.path, 'b', '1', 'model.onnx'), name: '../x' }),
    code('SERVER_CONFIG_INVALID'),
  );
});

test('the newest version answers, others by name if they are open; what is not there is said', async () => {
  await folder.put('a', '1', 1);
  await folder.put('a', '2', 2);
  const latest = await open();
  assert.deepEqual(latest.names(), ['a']);
  assert.deepEqual(latest.versions('a'), ['2']);
  assert.deepEqual(await ask(latest, 'a'), { answer: 2, version: '2' });
  assert.throws(() => latest.lease('a', '1'), code('MODEL_UNKNOWN'));
  assert.throws(() => latest.lease('z'), code('MODEL_UNKNOWN'));
  assert.throws(() => latest.versions('z'), code('MODEL_UNKNOWN'));
  await latest.close();
  const all = await open({ versions: 'all' });
  assert.deepEqual(await ask(all, 'a', '1'), { answer: 1, version: '1' });
  assert.ok(all.ready());
  all.drain();
  assert.ok(!all.ready());
  assert.deepEqual(await ask(all, 'a'), { answer: 2, version: '2' });
});

test('reloads under load: every request is answered, by the version that it was given to, and old processes end', async () => {
  await folder.put('a', '1', 1);
  const models = await open({ open: opener() });
  let done = false;
  let answered = 0;
  const client = async () => {
    let least = 1;
    while (!done) {
      const { answer, version } = await ask(models, 'a');
      assert.equal(String(answer), version);
      assert.ok(answer >= least, 'never back to an older one');
      least = answer;
      answered++;
    }
  };
  const clients = Promise.all(Array.from({ length: 4 }, client));
  for (let version = 2; version <= 6; version++) {
    await folder.put('a', String(version), version);
    await models.load('a');
    await models.load('a', true);
  }
  done = true;
  await clients;
  assert.ok(answered > 20);
  assert.deepEqual(models.versions('a'), ['6']);
  await models.close();
  assert.equal(events.filter((kind) => kind === 'model-unloaded').length, 11);
});

test('a reload that fails keeps what answers, and says why', async () => {
  await folder.put('a', '1', 1);
  const models = await open();
  await mkdir(join(folder.path, 'a', '2'));
  await writeFile(join(folder.path, 'a', '2', 'model.onnx'), 'no model at all');
  await assert.rejects(models.load('a'));
  assert.deepEqual(await ask(models, 'a'), { answer: 1, version: '1' });
  assert.throws(() => models.lease('a', '2'), code('MODEL_NOT_READY'));
  assert.ok(models.ready());
  const two = models.index().find(({ version }) => version === '2')!;
  assert.equal(two.state, 'UNAVAILABLE');
  assert.notEqual(two.reason, '');
  assert.ok(events.includes('model-load-failed'));
  await folder.put('a', '2', 2);
  await models.load('a');
  assert.deepEqual(await ask(models, 'a'), { answer: 2, version: '2' });
  assert.deepEqual(
    models
      .index()
      .map(({ version, state }) => `${version} ${state}`)
      .filter((row) => !row.includes('UNLOADING')),
    ['2 READY'],
  );
});

test('a start with a broken model fails, or says so where the others shall be served', async () => {
  await folder.put('a', '1', 1);
  await mkdir(join(folder.path, 'b', '1'), { recursive: true });
  await writeFile(join(folder.path, 'b', '1', 'model.onnx'), '');
  await assert.rejects(open());
  const models = await open({ tolerant: true });
  assert.deepEqual(await ask(models, 'a'), { answer: 1, version: '1' });
  assert.ok(!models.ready());
  assert.throws(() => models.lease('b'), code('MODEL_NOT_READY'));
});

test('a canary gets its share, the seed decides which requests, and shares change while it answers', async () => {
  await folder.put('a', '1', 1);
  await folder.put('a', '2', 2);
  const models = await open({ shares: { a: { 1: 90, 2: 10 } }, seed: 3 });
  assert.deepEqual(
    models.index().map(({ version, share }) => [version, share]),
    [
      ['1', 0.9],
      ['2', 0.1],
    ],
  );
  const versions = (from: ModelStore, n: number) =>
    Array.from({ length: n }, () => {
      const { served, release } = from.lease('a');
      release();
      return served.version;
    });
  const first = versions(models, 5000);
  const canary = first.filter((version) => version === '2').length;
  // Four standard deviations of a binomial of 5000 at a tenth.
  assert.ok(Math.abs(canary - 500) < 85, `${canary} of 5000`);
  await models.close();
  const again = await open({ shares: { a: { 1: 90, 2: 10 } }, seed: 3 });
  assert.deepEqual(versions(again, 50), first.slice(0, 50));
  await again.setShares('a', { 2: 1 });
  assert.deepEqual(versions(again, 1), ['2']);
  await again.setShares('a', undefined);
  assert.deepEqual(again.versions('a'), ['2']);
});

test('a canary may be the newest version, whichever that is: beside the one before it, which goes when the next comes', async () => {
  await folder.put('a', '1', 1);
  const models = await open({ shares: { a: 0.25 } });
  const shares = () =>
    models.index().flatMap(({ version, share, state }) => (state === 'READY' ? [[version, share]] : []));
  const twice = async () => {
    await models.poll();
    await models.poll();
  };
  assert.deepEqual(shares(), [['1', 1]], 'alone it gets all');
  await folder.put('a', '2', 2);
  await twice();
  assert.deepEqual(shares(), [
    ['1', 0.75],
    ['2', 0.25],
  ]);
  await folder.put('a', '3', 3);
  await twice();
  assert.deepEqual(shares(), [
    ['2', 0.75],
    ['3', 0.25],
  ]);
  // What is good is kept by taking away the other one.
  await rm(join(folder.path, 'a', '2'), { recursive: true });
  await rm(join(folder.path, 'a', '1'), { recursive: true });
  await twice();
  assert.deepEqual(shares(), [['3', 1]]);
});

test('unloading waits for who is under way, and the model comes back when it is asked for', async () => {
  await folder.put('a', '1', 1);
  const models = await open();
  const lease = models.lease('a');
  const unloading = models.unload('a');
  await new Promise((resolve) => setImmediate(resolve));
  assert.throws(() => models.lease('a'), code('MODEL_NOT_READY'));
  assert.ok(models.index().some(({ state }) => state === 'UNLOADING'));
  assert.ok(!events.includes('model-unloaded'));
  assert.equal((await askWith(lease.served)).answer, 1);
  lease.release();
  lease.release();
  await unloading;
  assert.ok(events.includes('model-unloaded'));
  await models.poll();
  assert.throws(() => models.lease('a'), code('MODEL_NOT_READY'));
  await models.load('a');
  assert.equal((await ask(models, 'a')).answer, 1);
  await assert.rejects(models.load('z'), code('MODEL_UNKNOWN'));
  await assert.rejects(models.unload('z'), code('MODEL_UNKNOWN'));
});

test('looks at the disk load what has come and settled, and let go of what is gone', async () => {
  await folder.put('a', '1', 1);
  const models = await open();
  await folder.put('a', '2', 2);
  await folder.put('b', '1', 7);
  await models.poll();
  assert.deepEqual(models.names(), ['a'], 'it may be half written yet');
  await models.poll();
  assert.deepEqual(models.names(), ['a', 'b']);
  assert.deepEqual(await ask(models, 'a'), { answer: 2, version: '2' });
  await folder.put('b', '1', 8);
  await models.poll();
  await models.poll();
  assert.equal((await ask(models, 'b')).answer, 8);
  await rm(join(folder.path, 'b'), { recursive: true });
  await models.poll();
  await models.poll();
  assert.deepEqual(models.names(), ['a']);
  await rename(folder.path, `${folder.path}-away`);
  await models.poll();
  await models.poll();
  await rename(`${folder.path}-away`, folder.path);
  assert.equal((await ask(models, 'a')).answer, 2);
});

test('closing waits for who is under way, and nobody comes in any more', async () => {
  await folder.put('a', '1', 1);
  const models = await open();
  const lease = models.lease('a');
  const answer = askWith(lease.served);
  const closing = models.close();
  assert.throws(() => models.lease('a'), code('SERVER_CLOSING'));
  assert.equal((await answer).answer, 1);
  lease.release();
  await closing;
});
