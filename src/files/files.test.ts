import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { encodeModel, type Model, makeGraph, makeModel, Tensor } from '../graph/index.ts';
import {
  loadModel,
  saveModel,
  weightBytes,
  writeAtomically,
  writeFileAtomically,
  writeFolderAtomically,
} from './index.ts';

function temporary(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'modicum-files-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const noSpace = () => Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });

/** Two large weights (one of them shared), a small one and one of strings. */
function sampleModel(first = 1): Model {
  const big = Tensor.float32(
    [4096],
    Float32Array.from({ length: 4096 }, (_, i) => i + first),
  );
  return makeModel(
    makeGraph({
      inputs: [],
      outputs: [],
      nodes: [],
      initializers: new Map([
        ['big', big],
        ['twin', big],
        ['medium', Tensor.ofBytes('uint8', [1500], new Uint8Array(1500).fill(first))],
        ['small', Tensor.int64([2], [first, 2])],
        ['words', Tensor.ofStrings([1], ['word'])],
      ]),
    }),
  );
}

/** The same weights, by value. */
function sameWeights(a: Model, b: Model): void {
  assert.deepEqual(Buffer.from(encodeModel(a)), Buffer.from(encodeModel(b)));
}

test('a file is written whole, into folders that are made', async (t) => {
  const path = join(temporary(t), 'a/b/c.txt');
  await writeFileAtomically(path, 'first');
  await writeFileAtomically(path, Uint8Array.of(104, 105));
  assert.equal(readFileSync(path, 'utf8'), 'hi');
  assert.deepEqual(readdirSync(join(path, '..')), ['c.txt']);
});

test('a write that fails in the middle leaves the old file and nothing else', async (t) => {
  const folder = temporary(t);
  const path = join(folder, 'model.onnx');
  writeFileSync(path, 'old');
  const failing = writeAtomically(path, async (file) => {
    await file.append(new Uint8Array(100_000));
    assert.equal(file.length, 100_000);
    throw noSpace();
  });
  await assert.rejects(failing, { code: 'FILE_NOT_WRITTEN', message: /no space left/ });
  assert.deepEqual(readdirSync(folder), ['model.onnx']);
  assert.equal(readFileSync(path, 'utf8'), 'old');
});

test('a full disk: one error with its reason, nothing left behind', async (t) => {
  const disk = join(temporary(t), 'disk');
  mkdirSync(disk);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk], { stdio: 'ignore' });
  } catch {
    return t.skip('mounting a small disk is not allowed here');
  }
  try {
    const path = join(disk, 'model.onnx');
    await writeFileAtomically(path, 'old');
    await assert.rejects(
      saveModel(sampleModel(), join(disk, 'm.onnx'), { external: 'always' }).then(() =>
        saveModel(bigModel(), path),
      ),
      {
        code: 'FILE_NOT_WRITTEN',
        message: /ENOSPC/,
      },
    );
    await assert.rejects(saveModel(bigModel(), path, { external: 'always' }), { code: 'FILE_NOT_WRITTEN' });
    assert.equal(readFileSync(path, 'utf8'), 'old');
    assert.deepEqual(
      readdirSync(disk).filter((name) => name.includes('.part')),
      [],
    );
  } finally {
    execFileSync('umount', [disk]);
  }
});

const bigModel = () =>
  makeModel(
    makeGraph({
      inputs: [],
      outputs: [],
      nodes: [],
      initializers: new Map([['w', Tensor.ofBytes('uint8', [1 << 20], new Uint8Array(1 << 20))]]),
    }),
  );

test('a place where nothing can be written', async (t) => {
  const folder = temporary(t);
  writeFileSync(join(folder, 'file'), '');
  await assert.rejects(writeFileAtomically(join(folder, 'file/below.txt'), 'x'), {
    code: 'FILE_NOT_WRITTEN',
  });
  mkdirSync(join(folder, 'taken'));
  await assert.rejects(writeFileAtomically(join(folder, 'taken'), 'x'), { code: 'FILE_NOT_WRITTEN' });
  assert.deepEqual(readdirSync(folder).sort(), ['file', 'taken']);
});

test('weights are not left behind where their model could not be written', async (t) => {
  const folder = temporary(t);
  mkdirSync(join(folder, 'm.onnx/inside'), { recursive: true });
  await assert.rejects(saveModel(sampleModel(), join(folder, 'm.onnx'), { external: 'always' }), {
    code: 'FILE_NOT_WRITTEN',
  });
  assert.deepEqual(readdirSync(folder), ['m.onnx']);
});

test('a folder is filled whole and replaces the old one', async (t) => {
  const path = join(temporary(t), 'bundle');
  const fill = (names: string[]) => async (staging: string) => {
    for (const name of names) writeFileSync(join(staging, name), name);
  };
  await writeFolderAtomically(path, fill(['a', 'b']));
  await writeFolderAtomically(path, fill(['c']));
  assert.deepEqual(readdirSync(path), ['c']);
  const failing = writeFolderAtomically(path, async (staging) => {
    writeFileSync(join(staging, 'half'), '');
    throw noSpace();
  });
  await assert.rejects(failing, { code: 'FILE_NOT_WRITTEN' });
  assert.deepEqual(readdirSync(path), ['c']);
  assert.deepEqual(readdirSync(join(path, '..')), ['bundle']);
});

test('an abort passes through as it is', async (t) => {
  const folder = temporary(t);
  const abort = new DOMException('stopped', 'AbortError');
  await assert.rejects(
    writeAtomically(join(folder, 'x'), () => Promise.reject(abort)),
    abort,
  );
  await assert.rejects(
    writeFolderAtomically(join(folder, 'y'), () => Promise.reject(abort)),
    abort,
  );
  assert.deepEqual(readdirSync(folder), []);
});

/** Starts a script that imports this room and stops when it has printed a line; returns its process. */
async function startScript(script: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  assert.ok(child.stdout);
  await once(child.stdout, 'data');
  return child;
}

const ROOM = JSON.stringify(new URL('./index.js', import.meta.url).href);

test('kill -9 in the middle of a write leaves the old file whole', async (t) => {
  const folder = temporary(t);
  const path = join(folder, 'model.onnx');
  await saveModel(sampleModel(1), path);
  const child = await startScript(`
    const { writeAtomically } = await import(${ROOM});
    await writeAtomically(${JSON.stringify(path)}, async (file) => {
      await file.append(new Uint8Array(50_000));
      console.log('half');
      await new Promise((resolve) => setTimeout(resolve, 60_000));
    });`);
  child.kill('SIGKILL');
  await once(child, 'exit');
  sameWeights(await loadModel(path), sampleModel(1));
  const left = readdirSync(folder).filter((name) => name !== 'model.onnx');
  assert.ok(
    left.length === 1 && left[0]?.startsWith('.model.onnx.'),
    'what is left is hidden and named after the file',
  );
  await saveModel(sampleModel(5), path);
  sameWeights(await loadModel(path), sampleModel(5));
});

test('kill -9 at any moment of saving over and over: what is there is always one whole model', async (t) => {
  const folder = temporary(t);
  const path = join(folder, 'model.onnx');
  for (let round = 0; round < 5; round++) {
    const child = await startScript(`
      const { loadModel, saveModel } = await import(${ROOM});
      const { makeGraph, makeModel, Tensor } = await import(${ROOM.replace('files/index.js', 'graph/index.js')});
      for (let i = 1; ; i++) {
        const w = Tensor.ofBytes('uint8', [300_000], new Uint8Array(300_000).fill(i));
        const graph = makeGraph({ inputs: [], outputs: [], nodes: [], initializers: new Map([['w', w]]) });
        await saveModel(makeModel(graph), ${JSON.stringify(path)}, { external: i % 2 ? 'always' : 'never' });
        if (i === 3) console.log('going');
      }`);
    await new Promise((resolve) => setTimeout(resolve, 7 * round));
    child.kill('SIGKILL');
    await once(child, 'exit');
    const bytes = (await loadModel(path)).graph.initializers.get('w')?.bytes();
    assert.equal(bytes?.length, 300_000);
    assert.ok(
      bytes.every((byte) => byte === bytes[0]),
      'the weights are of one model',
    );
  }
});

test('save and load, inside and outside', async (t) => {
  const folder = temporary(t);
  for (const external of ['never', 'always', 'auto'] as const) {
    const path = join(folder, `${external}.onnx`);
    await saveModel(sampleModel(), path, { external, threshold: 10_000 });
    const model = await loadModel(path);
    assert.equal(model.graph.initializers.get('big')?.lazy, external !== 'never');
    assert.equal(model.graph.initializers.get('small')?.lazy, false, 'small tensors stay inside');
    sameWeights(model, sampleModel());
  }
  assert.deepEqual(readdirSync(folder).sort(), [
    'always.onnx',
    'always.onnx.data',
    'auto.onnx',
    'auto.onnx.data',
    'never.onnx',
  ]);
  assert.ok(
    readFileSync(join(folder, 'always.onnx.data')).length < 2 * 16384 + 4096,
    'a shared tensor is written once',
  );
  assert.equal(weightBytes(sampleModel().graph), 2 * 16384 + 1500);
});

test('saving over the very file whose external weights are being read', async (t) => {
  const path = join(temporary(t), 'model.onnx');
  await saveModel(sampleModel(), path, { external: 'always' });
  const model = await loadModel(path);
  await saveModel(model, path, { external: 'always' });
  sameWeights(await loadModel(path), sampleModel());
  sameWeights(model, sampleModel());
});

test('external weights that lie elsewhere are refused', async (t) => {
  const folder = temporary(t);
  mkdirSync(join(folder, 'model'));
  writeFileSync(join(folder, 'secret'), new Uint8Array(16384));
  symlinkSync('../secret', join(folder, 'model/link'));
  symlinkSync('..', join(folder, 'model/up'));
  const path = join(folder, 'model/m.onnx');
  const save = (location: string) =>
    writeFileSync(
      path,
      encodeModel(sampleModel(), (name) =>
        name === 'big' ? { location, offset: 0, length: 16384 } : undefined,
      ),
    );
  for (const location of [
    join(folder, 'secret'),
    '../secret',
    'x/../../secret',
    'link',
    'up/secret',
    'C:\\secret',
    '..\\secret',
    '\\\\host\\share',
    'a\0b',
    '',
  ]) {
    save(location);
    await assert.rejects(loadModel(path), { code: 'EXTERNAL_ESCAPES' }, JSON.stringify(location));
  }
  mkdirSync(join(folder, 'model/below'));
  writeFileSync(join(folder, 'model/below/w..bin'), new Uint8Array(16384));
  save('below/w..bin');
  assert.equal((await loadModel(path)).graph.initializers.get('big')?.byteLength, 16384);
});

test('a model in a folder that is itself a link is fine', async (t) => {
  const folder = temporary(t);
  mkdirSync(join(folder, 'real'));
  await saveModel(sampleModel(), join(folder, 'real/m.onnx'), { external: 'always' });
  symlinkSync('real', join(folder, 'alias'));
  sameWeights(await loadModel(join(folder, 'alias/m.onnx')), sampleModel());
});

test('external weights that are missing, short, no file, or changed after the model was loaded', async (t) => {
  const folder = temporary(t);
  const path = join(folder, 'm.onnx');
  const data = join(folder, 'm.onnx.data');
  await saveModel(sampleModel(), path, { external: 'always' });
  const whole = readFileSync(data);
  const model = await loadModel(path);
  writeFileSync(data, whole.subarray(0, 1000));
  assert.throws(() => model.graph.initializers.get('big')?.data(), {
    code: 'EXTERNAL_MISSING',
    message: /changed after/,
  });
  await assert.rejects(loadModel(path), { code: 'EXTERNAL_MISSING', message: /1000 bytes/ });
  rmSync(data);
  assert.throws(() => model.graph.initializers.get('big')?.data(), { code: 'EXTERNAL_MISSING' });
  await assert.rejects(loadModel(path), { code: 'EXTERNAL_MISSING' });
  mkdirSync(data);
  await assert.rejects(loadModel(path), { code: 'EXTERNAL_MISSING', message: /regular file/ });
});

test('what cannot be loaded says why', async (t) => {
  const folder = temporary(t);
  await assert.rejects(loadModel(join(folder, 'none.onnx')), { code: 'FILE_NOT_FOUND' });
  await assert.rejects(loadModel(folder), { code: 'FILE_UNREADABLE' });
  writeFileSync(join(folder, 'empty.onnx'), '');
  await assert.rejects(loadModel(join(folder, 'empty.onnx')), { code: 'MODEL_EMPTY' });
  writeFileSync(join(folder, 'locked.onnx'), encodeModel(sampleModel()));
  chmodSync(join(folder, 'locked.onnx'), 0);
  if (process.getuid?.() !== 0)
    await assert.rejects(loadModel(join(folder, 'locked.onnx')), { code: 'FILE_UNREADABLE' });
});
