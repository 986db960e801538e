import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { addModel, countingModel, countTo, identityModel, reshapeModel } from '../../test/run-models.ts';
import { ModicumError } from '../base/index.ts';
import { saveModel } from '../files/index.ts';
import { type Model, Tensor } from '../graph/index.ts';
import { openSession } from './open-session.ts';
import { Pool } from './pool.ts';
import type { Fetches } from './session.ts';
import { resolveSettings, type SessionSettings } from './settings.ts';
import { holdSource } from './source.ts';

const folder = mkdtempSync(join(tmpdir(), 'modicum-test-'));
after(() => rmSync(folder, { recursive: true }));

async function openPool(model: Model | string, settings: Partial<SessionSettings> = {}): Promise<Pool> {
  const session = await openSession(model, { threads: 1, ...settings });
  assert.ok(session instanceof Pool);
  return session;
}

const code =
  (wanted: string, text = /./) =>
  (error: unknown) => {
    assert.ok(error instanceof ModicumError, String(error));
    assert.equal(error.code, wanted, error.message);
    assert.match(error.message, text);
    return true;
  };
const count = ({ count: counted }: Fetches): number => counted!.as('float32')[0]!;
/** Iterations that take a few hundred milliseconds. */
const LONG = 400_000;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('many calls at once, in several instances, each get their own answer', async () => {
  const pool = await openPool(addModel([0.5, -1]), { instances: 3 });
  const answers = await Promise.all(
    Array.from({ length: 300 }, (_, i) => pool.run({ x: Tensor.float32([1, 2], [i, i]) })),
  );
  for (const [i, { y }] of answers.entries()) assert.deepEqual(y?.numbers(), [i + 0.5, i - 1]);
  await pool.dispose();
});

test('calls go to the least busy instance: a short one does not wait behind a long one', async () => {
  const pool = await openPool(countingModel(), { instances: 2 });
  let longDone = false;
  const long = pool.run(countTo(LONG)).then(() => {
    longDone = true;
  });
  for (let i = 1; i <= 5; i++) assert.equal(count(await pool.run(countTo(i))), i);
  assert.equal(longDone, false);
  await long;
  await pool.dispose();
});

test('feeds stay untouched unless they are given away', async () => {
  const pool = await openPool(addModel([1, 1]));
  const x = Tensor.float32([1, 2], new Float32Array([1, 2]));
  await pool.run({ x });
  await pool.run({ x });
  assert.deepEqual(x.numbers(), [1, 2]);
  await pool.run({ x }, { transfer: true });
  assert.equal((x.bytes().buffer as ArrayBuffer).byteLength, 0);
  await assert.rejects(pool.run({ x }), code('FEED_MISMATCH', /given away/));
  const large = new Float32Array(8).fill(3);
  const view = Tensor.float32([1, 2], large.subarray(2, 4));
  assert.deepEqual((await pool.run({ x: view }, { transfer: true })).y?.numbers(), [4, 4]);
  assert.equal(large.length, 8);
  await pool.dispose();
});

test('two feeds may share one buffer, and one may lie in shared memory', async () => {
  const pool = await openPool(reshapeModel());
  const s = Tensor.int64([2], [1, 4]);
  const x = Tensor.ofBytes('float32', [1, 4], s.bytes());
  const { y } = await pool.run({ x, s }, { transfer: true });
  assert.equal(y?.byteLength, 16);
  const shared = new Float32Array(new SharedArrayBuffer(16)).fill(2);
  const answer = await pool.run({ x: Tensor.float32([1, 4], shared), s: Tensor.int64([2], [2, 2]) });
  assert.deepEqual(answer.y?.numbers(), [2, 2, 2, 2]);
  await pool.dispose();
});

test('a fired signal refuses calls, queued ones are dropped, one under way is not waited for', async () => {
  const pool = await openPool(countingModel());
  await assert.rejects(pool.run(countTo(1), { signal: AbortSignal.abort(new Error('early')) }), /early/);
  const control = new AbortController();
  const first = pool.run(countTo(LONG), { signal: control.signal });
  const kept = pool.run(countTo(2));
  const queued = Array.from({ length: 20 }, () => pool.run(countTo(LONG * 100), { signal: control.signal }));
  await turn();
  assert.equal(getEventListeners(control.signal, 'abort').length, 1);
  control.abort(new Error('enough'));
  assert.equal(getEventListeners(control.signal, 'abort').length, 0);
  await assert.rejects(first, /enough/);
  for (const one of queued) await assert.rejects(one, /enough/);
  // Would take minutes, were the queued calls still computed.
  assert.equal(count(await kept), 2);
  await pool.dispose();
});

test('dispose refuses what waits, and returns when the runtime is done', async () => {
  const pool = await openPool(countingModel());
  const calls = Array.from({ length: 5 }, () => pool.run(countTo(LONG)));
  const settled = Promise.allSettled(calls);
  await turn();
  const disposed = pool.dispose();
  for (const one of await settled) {
    assert.equal(one.status, 'rejected');
    code('SESSION_CLOSED')(one.reason);
  }
  assert.equal(pool.dispose(), disposed);
  await disposed;
  for (const thread of pool.threads) assert.equal(thread.pending, 0);
  await assert.rejects(pool.run(countTo(1)), code('SESSION_CLOSED', /before this call/));
  await assert.rejects(pool.loop([countTo(1)], { runs: 1 }), code('SESSION_CLOSED'));
});

test('the thread of a closed session serves the next one', async () => {
  const first = await openPool(addModel([1]));
  const thread = first.threads[0];
  await first.dispose();
  const second = await openPool(identityModel('float32', [1]));
  assert.equal(second.threads[0], thread);
  assert.deepEqual((await second.run({ x: Tensor.float32([1], [5]) })).y?.numbers(), [5]);
  await second.dispose();
});

test('a killed worker fails its calls and is replaced by one with the same model', async () => {
  const pool = await openPool(countingModel(), { instances: 2 });
  const [killed, other] = pool.threads;
  // Holds the thread before native code, so that the call is under way when the thread dies.
  killed!.shut();
  const calls = [pool.run(countTo(10)), pool.run(countTo(10))];
  const settled = Promise.allSettled(calls);
  await calls[1];
  await killed!.end();
  const [first, second] = await settled;
  assert.equal(first?.status, 'rejected');
  if (first?.status === 'rejected') {
    code('WORKER_CRASHED')(first.reason);
    assert.match(String((first.reason as ModicumError).cause), /exited with code/);
  }
  assert.equal(second?.status, 'fulfilled');
  const after = await Promise.all(Array.from({ length: 10 }, (_, i) => pool.run(countTo(i))));
  assert.deepEqual(after.map(count), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  await pool.loop([countTo(1)], { runs: 4 });
  assert.notEqual(pool.threads[0], killed);
  assert.equal(pool.threads[1], other);
  await pool.dispose();
});

test('an uncaught exception in a worker is the cause that its calls are told', async () => {
  const pool = await openPool(countingModel());
  // No envelope: the worker's own code throws on it.
  pool.threads[0]!.worker.postMessage(null);
  const call = pool.run(countTo(LONG));
  await assert.rejects(call, (error: unknown) => {
    code('WORKER_CRASHED')(error);
    assert.ok((error as ModicumError).cause instanceof TypeError);
    return true;
  });
  assert.equal(count(await pool.run(countTo(3))), 3);
  await pool.dispose();
});

test('where no worker can be started again, calls are told why', async () => {
  const path = join(folder, 'gone.onnx');
  await saveModel(countingModel(), path);
  const pool = await openPool(path);
  rmSync(path);
  pool.threads[0]!.shut();
  const under = pool.run(countTo(1));
  const queued = Array.from({ length: 4 }, () => pool.run(countTo(1)));
  const settled = Promise.allSettled([under, ...queued]);
  await turn();
  await pool.threads[0]!.end();
  for (const one of await settled) {
    assert.equal(one.status, 'rejected');
    code('WORKER_CRASHED')(one.reason);
  }
  await assert.rejects(pool.run(countTo(1)), code('WORKER_CRASHED', /cannot be started again.*gone\.onnx/));
  await assert.rejects(pool.loop([countTo(1)], { runs: 1 }), code('WORKER_CRASHED'));
  await pool.dispose();
});

test('dispose while a worker is being replaced', async () => {
  const pool = await openPool(countingModel());
  await pool.threads[0]!.end();
  const waiting = pool.run(countTo(1));
  const refused = assert.rejects(waiting, code('SESSION_CLOSED'));
  await pool.dispose();
  await refused;
});

test('a model too large for a message goes through a temporary file, gone after dispose', async () => {
  const w = Array.from({ length: 600 }, (_, i) => i / 8);
  const model = addModel(w);
  const held = await holdSource(model, 0);
  assert.equal(held.source.kind, 'path');
  const path = held.source.kind === 'path' ? held.source.path : '';
  assert.ok(existsSync(path) && existsSync(`${path}.data`));
  const pool = await Pool.open(held, model, resolveSettings({ instances: 2, threads: 1 }));
  await pool.threads[1]!.end();
  const x = Tensor.float32([1, 600], new Float32Array(600));
  for (let i = 0; i < 6; i++) assert.deepEqual((await pool.run({ x })).y?.numbers(), w);
  await pool.dispose();
  assert.ok(!existsSync(path));
  const bad = { ...model, graph: { ...model.graph, nodes: [] } };
  const refused = await holdSource(bad, 0);
  await assert.rejects(Pool.open(refused, bad, resolveSettings()), code('RUNTIME_REFUSED'));
  assert.ok(refused.source.kind === 'path' && !existsSync(refused.source.path));
});

test('an edit of the model after opening does not reach a healed worker', async () => {
  const model = addModel([1]);
  const pool = await openPool(model);
  model.graph.nodes[0]!.op = 'Sub';
  await pool.threads[0]!.end();
  assert.deepEqual((await pool.run({ x: Tensor.float32([1, 1], [1]) })).y?.numbers(), [2]);
  await pool.dispose();
});
