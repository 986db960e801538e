import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { sharedData } from '../../test/shared-data.ts';
import { ModicumError } from '../base/index.ts';
import { loadModel, saveModel } from '../files/index.ts';
import { makeGraph, makeModel, makeNode, Tensor, tensorType } from '../graph/index.ts';
import { skeletonOf } from './skeleton.ts';

const folder = mkdtempSync(join(tmpdir(), 'modicum-test-'));
after(() => rmSync(folder, { recursive: true }));

const code = (wanted: string) => (error: unknown) => error instanceof ModicumError && error.code === wanted;

test('a skeleton says of inputs, outputs and metadata what the whole model says, and holds nothing else', async () => {
  const path = join(folder, 'a.onnx');
  const graph = makeGraph({
    name: 'net',
    inputs: [{ name: 'x', type: tensorType('float32', ['n', null, 3]) }],
    outputs: [{ name: 'y', type: tensorType('float32', undefined) }],
    nodes: [makeNode('Add', ['x', 'w'], ['y'])],
    initializers: new Map([['w', Tensor.float32([100_000, 3], new Float32Array(300_000))]]),
  });
  const metadata = new Map([
    ['author', 'someone'],
    ['long', 'z'.repeat(40_000)],
  ]);
  await saveModel(makeModel(graph, 17, { metadata, doc: 'a test' }), path);
  const whole = await loadModel(path);
  const skeleton = await skeletonOf(path);
  assert.deepEqual(skeleton?.graph.inputs, whole.graph.inputs);
  assert.deepEqual(skeleton?.graph.outputs, whole.graph.outputs);
  assert.deepEqual(skeleton?.metadata, whole.metadata);
  assert.deepEqual(skeleton?.opsets, whole.opsets);
  assert.equal(skeleton?.graph.name, 'net');
  assert.equal(skeleton?.graph.nodes.length, 0);
  assert.equal(skeleton?.graph.initializers.size, 0);
});

test('real models', async (t) => {
  const names = ['mnist/mnist-8.onnx', 'keywords/alibaba_kws.onnx', 'silero-vad/silero_vad_op18_ifless.onnx'];
  const paths = names.map(sharedData).filter((path) => path !== undefined);
  if (paths.length === 0) return t.skip('data absent');
  for (const path of paths) {
    const whole = await loadModel(path);
    const skeleton = await skeletonOf(path);
    // Files before IR version 4 list their weights among the inputs, which the reader proper takes out.
    const fed = skeleton?.graph.inputs.filter(({ name }) => !whole.graph.initializers.has(name));
    assert.deepEqual(fed, whole.graph.inputs);
    assert.deepEqual(skeleton?.graph.outputs, whole.graph.outputs);
    assert.deepEqual(skeleton?.metadata, whole.metadata);
  }
});

test('what is no whole model file is refused as the reader refuses it', async () => {
  const path = join(folder, 'b.onnx');
  await assert.rejects(skeletonOf(path), code('FILE_NOT_FOUND'));
  await assert.rejects(skeletonOf(folder), code('FILE_UNREADABLE'));
  writeFileSync(path, '');
  await assert.rejects(skeletonOf(path), code('MODEL_EMPTY'));
  writeFileSync(path, 'this is a text, and not at all a model');
  await assert.rejects(skeletonOf(path), ModicumError);
  writeFileSync(path, readFileSync(join(folder, 'a.onnx')));
  truncateSync(path, 60_000);
  await assert.rejects(skeletonOf(path), code('MODEL_TRUNCATED'));
});
