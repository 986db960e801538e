import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeGraph, makeModel, makeNode, Tensor, tensorType } from '../graph/index.ts';
import { measureMemory } from './memory.ts';
import { findRecord } from './recorder.ts';

/** y = x + w, with w of `megabytes`. */
function heavy(megabytes: number) {
  const size = (megabytes * 2 ** 20) / 4;
  const graph = makeGraph({
    inputs: [{ name: 'x', type: tensorType('float32', [1]) }],
    outputs: [{ name: 'y', type: tensorType('float32', []) }],
    nodes: [
      makeNode('Add', ['x', 'w'], ['sum']),
      makeNode('ReduceMax', ['sum'], ['y'], { keepdims: { type: 'int', value: 0 } }),
    ],
    initializers: new Map([['w', Tensor.float32([size], new Float32Array(size).fill(1))]]),
  });
  return makeModel(graph, 17, { irVersion: 8 });
}

const feeds = { x: Tensor.float32([1], [1]) };

test('a model with 64 MB of weights takes at least them and their sum, and leaves nothing behind', async (t) => {
  // A folder of its own, as other tests use the common one at the same time.
  const folder = await mkdtemp(join(tmpdir(), 'modicum-test-'));
  const common = process.env.TMPDIR;
  process.env.TMPDIR = folder;
  t.after(() => {
    if (common === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = common;
    return rm(folder, { recursive: true, force: true });
  });
  const records = await measureMemory(heavy(64), {
    feeds,
    repeats: 2,
    runs: 1,
    machine: 'm',
    session: { threads: 1 },
  });
  const peak = findRecord(records, 'memory.peak')!;
  assert.ok(peak.value >= 120 * 2 ** 20, `${peak.value} bytes hold the weights and the result`);
  assert.ok(peak.value <= 600 * 2 ** 20, `${peak.value} bytes are not without bounds`);
  assert.ok(peak.interval!.low <= peak.value && peak.value <= peak.interval!.high);
  assert.ok(findRecord(records, 'memory.process')!.value > peak.value);
  assert.equal(findRecord(records, 'memory.weights')!.value, 64 * 2 ** 20);
  assert.equal(findRecord(records, 'size.file'), undefined);
  // The runtime itself leaves a log there.
  assert.deepEqual(
    (await readdir(folder)).filter((name) => name.startsWith('modicum')),
    [],
  );
});

test('a file that is no model, and feeds that do not fit, end with an error of ours', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'modicum-test-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'none.onnx');
  await writeFile(path, 'nothing');
  await assert.rejects(measureMemory(path, { feeds, repeats: 1, machine: 'm' }), {
    code: 'MODEL_NOT_ONNX',
    message: /^The file is not an ONNX model: .*illegal/,
  });
  await assert.rejects(
    measureMemory(heavy(1), { feeds: { z: Tensor.float32([1], [1]) }, repeats: 1, machine: 'm' }),
    { code: 'FEED_MISMATCH' },
  );
});

test('an abort ends the process', async () => {
  const controller = new AbortController();
  setTimeout(() => controller.abort(new Error('enough')), 100);
  await assert.rejects(
    measureMemory(heavy(1), { feeds, repeats: 3, machine: 'm', signal: controller.signal }),
    /enough/,
  );
});
