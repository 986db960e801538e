import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { addModel, identityModel, reshapeModel, value } from '../../test/run-models.ts';
import { ModicumError } from '../base/index.ts';
import { saveModel } from '../files/index.ts';
import {
  DTYPES,
  type DType,
  encodeModel,
  type Model,
  makeGraph,
  makeModel,
  makeNode,
  Tensor,
  tensorType,
} from '../graph/index.ts';
import { availableCores } from './cores.ts';
import { openSession } from './open-session.ts';
import type { Feeds, Fetches } from './session.ts';
import { resolveSettings } from './settings.ts';

const folder = mkdtempSync(join(tmpdir(), 'modicum-test-'));
after(() => rmSync(folder, { recursive: true }));

async function runOnce(model: Model | string, feeds: Feeds): Promise<Fetches> {
  const session = await openSession(model, { threads: 1 });
  try {
    return await session.run(feeds);
  } finally {
    await session.dispose();
  }
}

const ending =
  (code: string, ...texts: RegExp[]) =>
  (error: unknown) => {
    assert.ok(error instanceof ModicumError, String(error));
    assert.equal(error.code, code, error.message);
    for (const text of texts) assert.match(error.message, text);
    return true;
  };

test('a session says what it takes, gives and is', async () => {
  const session = await openSession(addModel([1, 2]), { threads: 1 });
  assert.deepEqual(session.inputs, [{ name: 'x', dtype: 'float32', shape: ['n', 2] }]);
  assert.deepEqual(
    session.outputs.map((port) => port.name),
    ['y', 'z'],
  );
  assert.equal(session.metadata.get('author'), 'a test');
  assert.equal(session.metadata.get('producer'), 'modicum');
  assert.equal(session.settings.threads, 1);
  const { y, z } = await session.run({ x: Tensor.float32([2, 2], [1, 2, 3, 4]) });
  assert.deepEqual([...(y?.as('float32') ?? [])], [2, 4, 4, 6]);
  assert.deepEqual(y?.dims, [2, 2]);
  assert.deepEqual([...(z?.as('float32') ?? [])], [-1, -2, -3, -4]);
  await session.dispose();
});

const CARRIED: Partial<Record<DType, Tensor>> = {
  float32: Tensor.float32([3], [1.5, Number.NaN, -Infinity]),
  float64: Tensor.of('float64', [2], Float64Array.of(Math.PI, -0)),
  float16: Tensor.of('float16', [3], Uint16Array.of(0x3c00, 0x7e00, 0x8001)),
  int8: Tensor.of('int8', [2], Int8Array.of(-128, 127)),
  uint8: Tensor.of('uint8', [2], Uint8Array.of(0, 255)),
  int16: Tensor.of('int16', [2], Int16Array.of(-32768, 32767)),
  uint16: Tensor.of('uint16', [2], Uint16Array.of(0, 65535)),
  int32: Tensor.of('int32', [2], Int32Array.of(-(2 ** 31), 2 ** 31 - 1)),
  uint32: Tensor.of('uint32', [2], Uint32Array.of(0, 2 ** 32 - 1)),
  int64: Tensor.of('int64', [2], BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n)),
  uint64: Tensor.of('uint64', [2], BigUint64Array.of(0n, 2n ** 64n - 1n)),
  bool: Tensor.of('bool', [3], Uint8Array.of(0, 1, 1)),
};

test('every dtype that the binding carries comes back bit for bit', async () => {
  for (const [dtype, x] of Object.entries(CARRIED)) {
    const { y } = await runOnce(identityModel(dtype as DType, x.dims), { x });
    assert.equal(y?.dtype, dtype);
    assert.deepEqual(y?.dims, x.dims);
    assert.deepEqual(y?.bytes(), new Uint8Array(x.bytes()), dtype);
  }
});

test('strings, scalars and empty tensors', async () => {
  const strings = ['', 'héllo', '漢字 🎉', 'a"b\\c'];
  const { y } = await runOnce(identityModel('string', [2, 2]), { x: Tensor.ofStrings([2, 2], strings) });
  assert.deepEqual(y?.strings(), strings);
  assert.deepEqual(y?.dims, [2, 2]);
  const scalar = await runOnce(identityModel('float32', []), { x: Tensor.float32([], [7]) });
  assert.deepEqual(scalar.y?.dims, []);
  assert.deepEqual(scalar.y?.numbers(), [7]);
  const empty = await runOnce(identityModel('float32', ['n', 4]), { x: Tensor.float32([0, 4], []) });
  assert.deepEqual(empty.y?.dims, [0, 4]);
  assert.equal(empty.y?.byteLength, 0);
});

test('dtypes that the binding cannot carry are refused, and said', async () => {
  for (const dtype of ['bfloat16', 'int4', 'float8e4m3fn'] as const) {
    const number = DTYPES[dtype].onnx;
    const refused = await openSession(identityModel(dtype, [4])).then(
      (session) => session,
      (error: unknown) => error,
    );
    assert.ok(refused instanceof ModicumError, dtype);
    assert.equal(refused.code, 'RUNTIME_REFUSED');
    assert.match(refused.message, new RegExp(`data type ${number}|no cpu kernel for Identity`));
  }
});

test('feeds that do not fit are refused before they reach the runtime, with names and shapes', async () => {
  const session = await openSession(reshapeModel(), { threads: 1 });
  const x = Tensor.float32([1, 4], [1, 2, 3, 4]);
  const s = Tensor.int64([2], [2, 2]);
  const refuse = (feeds: Feeds, ...texts: RegExp[]) =>
    assert.rejects(session.run(feeds), ending('FEED_MISMATCH', ...texts));
  await refuse({ x }, /input s: int64\[2\] is missing; given were x/);
  await refuse({}, /x: float32\[n, 4\] is missing; given were nothing/);
  await refuse({ x, s, t: s }, /no input "t"/, /x: float32\[n, 4\]; s: int64\[2\]/);
  await refuse(
    { x: Tensor.of('float64', [1, 4], new Float64Array(4)), s },
    /float64\[1, 4\]/,
    /must be float32/,
  );
  await refuse({ x: Tensor.float32([4], [1, 2, 3, 4]), s }, /float32\[4\]/, /rank must be 2, not 1/);
  await refuse({ x: Tensor.float32([1, 3], [1, 2, 3]), s }, /dimension 1 must be 4, not 3/);
  await assert.rejects(
    session.run({ x, s }, { outputs: ['q'] }),
    ending('FEED_MISMATCH', /no output "q"; the outputs are y/),
  );
  assert.deepEqual((await session.run({ x, s })).y?.dims, [2, 2]);
  await session.dispose();
});

test('an input of unknown rank takes any, from memory and from a file', async () => {
  const model = identityModel('float32', undefined);
  const path = join(folder, 'anyrank.onnx');
  await saveModel(model, path);
  for (const source of [model, path]) {
    for (const dims of [[], [2], [1, 2, 1]]) {
      const size = dims.reduce((a, b) => a * b, 1);
      const { y } = await runOnce(source, { x: Tensor.float32(dims, new Float32Array(size)) });
      assert.deepEqual(y?.dims, dims);
    }
  }
});

test('what fails while running says where, and the session lives on', async () => {
  const session = await openSession(reshapeModel(), { threads: 1 });
  const x = Tensor.float32([1, 4], [1, 2, 3, 4]);
  await assert.rejects(
    session.run({ x, s: Tensor.int64([2], [3, 3]) }),
    ending('RUNTIME_FAILED', /Reshape/, /reshaper/, /\{1,4\}.*\{3,3\}/),
  );
  assert.deepEqual((await session.run({ x, s: Tensor.int64([2], [4, 1]) })).y?.dims, [4, 1]);
  await session.dispose();
});

test('only the outputs asked for come back; outputs that are no tensors are not offered', async () => {
  const add = await openSession(addModel([1]), { threads: 1 });
  const x = Tensor.float32([1, 1], [1]);
  assert.deepEqual(Object.keys(await add.run({ x }, { outputs: ['z'] })), ['z']);
  await add.dispose();
  const type = { kind: 'sequence', element: tensorType('float32', [1, 1]) } as const;
  const graph = makeGraph({
    inputs: [value('x', 'float32', [1, 1])],
    outputs: [value('y', 'float32', [1, 1]), { name: 'q', type }],
    nodes: [makeNode('Relu', ['x'], ['y']), makeNode('SequenceConstruct', ['x', 'x'], ['q'])],
  });
  assert.deepEqual(Object.keys(await runOnce(makeModel(graph, 17), { x })), ['y']);
  const only = makeGraph({ ...graph, outputs: graph.outputs.slice(1), nodes: graph.nodes.slice(1) });
  await assert.rejects(openSession(makeModel(only, 17)), ending('RUNTIME_REFUSED', /none of its outputs/));
});

test('models that the runtime does not know say which operator or opset', async () => {
  const model = (op: string, domain = '', opset = 17) =>
    makeModel(
      makeGraph({
        inputs: [value('x', 'float32', [1])],
        outputs: [value('y', 'float32', [1])],
        nodes: [makeNode(op, ['x'], ['y'], {}, { domain })],
      }),
      opset,
      { opsets: new Map([['', opset], ...(domain === '' ? [] : [[domain, 1] as const])]) },
    );
  await assert.rejects(openSession(model('Frobnicate')), ending('RUNTIME_REFUSED', /operator Frobnicate/));
  await assert.rejects(openSession(model('Frob', 'my.domain')), ending('RUNTIME_REFUSED', /my\.domain:Frob/));
  await assert.rejects(
    openSession(model('Relu', '', 99)),
    ending('RUNTIME_REFUSED', /opset 99.*newer than \d+/),
  );
});

test('a file is loaded by path, with its external data', async () => {
  const path = join(folder, 'outside', 'add.onnx');
  const w = Array.from({ length: 1000 }, (_, i) => i);
  await saveModel(addModel(w), path, { external: 'always' });
  const x = Tensor.float32([1, 1000], new Float32Array(1000).fill(1));
  assert.deepEqual(
    (await runOnce(path, { x })).y?.numbers(),
    w.map((one) => one + 1),
  );
  truncateSync(`${path}.data`, 100);
  await assert.rejects(openSession(path), ending('EXTERNAL_MISSING'));
  rmSync(`${path}.data`);
  await assert.rejects(openSession(path), ending('EXTERNAL_MISSING'));
});

test('external data outside of the folder of the model is not read', async () => {
  const path = join(folder, 'outside', 'thief.onnx');
  writeFileSync(join(folder, 'secret.bin'), new Uint8Array(4000));
  const place = () => ({ location: '../secret.bin', offset: 0, length: 4000 });
  writeFileSync(path, encodeModel(addModel(new Array(1000).fill(0)), place));
  await assert.rejects(openSession(path), ending('EXTERNAL_ESCAPES', /secret\.bin/));
});

test('what is no model file is refused by its reader', async () => {
  const path = join(folder, 'bad.onnx');
  await assert.rejects(openSession(path), ending('FILE_NOT_FOUND', /bad\.onnx/));
  writeFileSync(path, '');
  await assert.rejects(openSession(path), ending('MODEL_EMPTY'));
  writeFileSync(path, encodeModel(addModel([1, 2, 3])).subarray(0, 100));
  await assert.rejects(openSession(path), ending('MODEL_TRUNCATED'));
});

test('settings that make no sense are refused', async () => {
  const model = addModel([1]);
  const refuse = (settings: object, text: RegExp) =>
    assert.rejects(openSession(model, settings), ending('USAGE_BAD_OPTION', text));
  await refuse({ threads: 0 }, /threads/);
  await refuse({ instances: 1.5 }, /instances/);
  await refuse({ provider: 'abacus' }, /abacus.*cpu/);
  await refuse({ level: 'most' }, /most.*basic/);
  await refuse({ config: { a: 1 } }, /config a/);
});

test('config entries, threads and level reach the runtime', async (t) => {
  const model = addModel([1]);
  const config = { 'session.disable_cpu_ep_fallback': '1' };
  await assert.rejects(openSession(model, { config }), ending('RUNTIME_REFUSED', /fallback to CPU EP/));
  const spinless = await openSession(model, {
    threads: 2,
    allowSpinning: false,
    arena: false,
    level: 'basic',
  });
  assert.deepEqual((await spinless.run({ x: Tensor.float32([1, 1], [1]) })).y?.numbers(), [2]);
  await spinless.dispose();
  if (process.platform !== 'linux') return t.skip('threads are counted in /proc');
  const count = () => readdirSync('/proc/self/task').length;
  const before = count();
  const session = await openSession(model, { threads: 5 });
  // The calling thread is the fifth.
  assert.equal(count() - before, 4);
  await session.dispose();
});

test('threads are shared out among the instances', () => {
  const cores = availableCores();
  assert.equal(resolveSettings().threads, cores);
  assert.equal(resolveSettings({ instances: cores }).threads, 1);
  assert.equal(resolveSettings({ instances: 2 * cores }).threads, 1);
  assert.equal(resolveSettings({ instances: 2, threads: 7 }).threads, 7);
  assert.deepEqual(resolveSettings({ level: undefined }), resolveSettings());
});
