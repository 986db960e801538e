import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { addModel, convModel, countingModel } from '../../test/run-models.ts';
import { sharedData } from '../../test/shared-data.ts';
import { ModicumError } from '../base/index.ts';
import { loadModel, saveModel } from '../files/index.ts';
import { graphOf, Tensor } from '../graph/index.ts';
import { executedGraph } from './executed-graph.ts';
import { openSession } from './open-session.ts';

const folder = mkdtempSync(join(tmpdir(), 'modicum-test-'));
after(() => rmSync(folder, { recursive: true }));
const left = (): string[] => readdirSync(tmpdir()).filter((name) => /^modicum-\w{6}$/.test(name));

test('the executed graph shows what each level fuses', async () => {
  const model = convModel();
  const ops = async (level: 'disabled' | 'basic' | 'extended' | 'all') =>
    (await executedGraph(model, { level })).graph.nodes.map((node) => node.op);
  assert.deepEqual(await ops('disabled'), ['Conv', 'Relu', 'Conv']);
  assert.deepEqual(await ops('extended'), ['FusedConv', 'Conv']);
  assert.ok(!(await ops('all')).includes('Relu'));
  assert.deepEqual(
    model.graph.nodes.map((node) => node.op),
    ['Conv', 'Relu', 'Conv'],
  );
});

test('it is a whole model that runs and answers alike, without a file behind it', async () => {
  const model = convModel();
  const path = join(folder, 'conv.onnx');
  await saveModel(model, path, { external: 'always' });
  const x = Tensor.float32(
    [1, 3, 16, 16],
    Float32Array.from({ length: 768 }, (_, i) => Math.cos(i)),
  );
  const session = await openSession(model, { threads: 1 });
  const wanted = (await session.run({ x })).y?.as('float32');
  await session.dispose();
  for (const source of [model, path]) {
    const executed = await executedGraph(source, { level: 'extended' });
    for (const tensor of executed.graph.initializers.values()) assert.equal(tensor.lazy, false);
    const again = await openSession(executed, { threads: 1, level: 'disabled' });
    const found = (await again.run({ x })).y?.as('float32');
    await again.dispose();
    assert.equal(found?.length, wanted?.length);
    for (const [i, one] of found!.entries()) assert.ok(Math.abs(one - wanted![i]!) < 1e-4);
  }
});

test('subgraphs come with it', async () => {
  const executed = await executedGraph(countingModel(), { level: 'all' });
  const loop = executed.graph.nodes.find((node) => node.op === 'Loop');
  assert.ok(loop !== undefined && graphOf(loop, 'body')!.nodes.some((node) => node.op === 'Add'));
});

test('real models', async (t) => {
  const path = sharedData('mnist/mnist-8.onnx');
  if (path === undefined) return t.skip('data absent');
  const executed = await executedGraph(path, { level: 'extended' });
  assert.deepEqual(
    executed.graph.nodes.map((node) => node.op),
    ['FusedConv', 'MaxPool', 'FusedConv', 'MaxPool', 'Reshape', 'Gemm'],
  );
  // Full of subgraphs.
  const vad = sharedData('silero-vad/silero_vad_half.onnx');
  if (vad === undefined) return t.skip('data absent');
  for (const source of [vad, await loadModel(vad)]) {
    assert.ok((await executedGraph(source)).graph.nodes.some((node) => node.op === 'If'));
  }
});

test('nothing is left behind, also where the runtime refuses', async () => {
  const before = left();
  await executedGraph(addModel([1]));
  const bad = addModel([1]);
  bad.graph.nodes[0]!.op = 'Frobnicate';
  const refused = (error: unknown) => error instanceof ModicumError && error.code === 'RUNTIME_REFUSED';
  await assert.rejects(executedGraph(bad), refused);
  await assert.rejects(
    executedGraph(join(folder, 'none.onnx')),
    (error: unknown) => error instanceof ModicumError && error.code === 'FILE_NOT_FOUND',
  );
  // Other tests run beside this one: only what is new and stays is ours.
  const fresh = () => left().filter((name) => !before.includes(name));
  for (let i = 0; i < 100 && fresh().length > 0; i++)
    await new Promise((resolve) => setTimeout(resolve, 100));
  assert.deepEqual(fresh(), []);
});
