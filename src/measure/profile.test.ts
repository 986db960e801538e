import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { sharedData } from '../../test/shared-data.ts';
import type { Batch, Dataset, ReadOptions } from '../data/index.ts';
import { loadModel } from '../files/index.ts';
import { makeGraph, makeModel, makeNode, Tensor, tensorType } from '../graph/index.ts';
import { executedGraph, openSession, profileNodes } from '../run/index.ts';
import { randomFeeds } from './feeds.ts';
import { countWork } from './flops.ts';
import { profileModel } from './profile.ts';
import { feedsOf, usableBatches } from './profile-feeds.ts';
import { joinLayers } from './profile-layers.ts';
import { findRecord } from './recorder.ts';

const values = (dims: number[]) =>
  Tensor.float32(
    dims,
    Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => (i % 7) / 10 - 0.3),
  );

/** Conv, Relu, mean over the picture, a dense layer; the batch is `N` or fixed, and reshaped away where `stiff`. */
function small(batch: string | number = 'N', stiff = false) {
  const graph = makeGraph({
    inputs: [{ name: 'x', type: tensorType('float32', [batch, 3, 16, 16]) }],
    outputs: [{ name: 'y', type: tensorType('float32', [batch, 4]) }],
    nodes: [
      makeNode(
        'Conv',
        ['x', 'w', 'b'],
        ['c'],
        { pads: { type: 'ints', value: [1, 1, 1, 1] } },
        { name: 'conv' },
      ),
      makeNode('Relu', ['c'], ['r'], {}, { name: 'relu' }),
      makeNode('GlobalAveragePool', ['r'], ['g']),
      makeNode('Reshape', ['g', 'shape'], ['f']),
      makeNode('Gemm', ['f', 'v'], ['y'], {}, { name: 'dense' }),
    ],
    initializers: new Map([
      ['w', values([8, 3, 3, 3])],
      ['b', values([8])],
      ['v', values([8, 4])],
      ['shape', Tensor.int64([2], [stiff ? 1 : -1, 8])],
    ]),
  });
  return makeModel(graph, 17, { irVersion: 8 });
}

/** Samples in memory. */
function memory(size: number): Dataset {
  return {
    name: 'ramp',
    size,
    fields: [{ name: 'x', dtype: 'float32', dims: [3, 16, 16] }],
    async *read({ batch = 32 }: ReadOptions = {}): AsyncGenerator<Batch> {
      for (let at = 0; at < size; at += batch) {
        const n = Math.min(batch, size - at);
        yield { indices: Array.from({ length: n }, (_, i) => at + i), feeds: { x: values([n, 3, 16, 16]) } };
      }
    },
  };
}

test('a profile holds every figure with its origin, and is plain JSON', async (t) => {
  const cache = await mkdtemp(join(tmpdir(), 'modicum-profile-'));
  t.after(() => rm(cache, { recursive: true, force: true }));
  const report = await profileModel(small(), {
    batches: [1, 4],
    threads: [1],
    seconds: 0.1,
    price: 'c7i.large',
    region: 'fr',
    limits: { cache, seconds: 0.02 },
  });
  assert.deepEqual(JSON.parse(JSON.stringify(report)).records.length, report.records.length);
  const wanted = [
    ...['parameters', 'macs', 'flops', 'bytes.weights', 'bytes.activations', 'memory.peak', 'memory.weights'],
    ...['cpu.per-inference', 'cost.per-million', 'limit.attainable', 'limit.share'],
  ];
  for (const what of wanted) assert.ok(findRecord(report.records, what), what);
  assert.ok(
    findRecord(report.records, 'co2.per-million') ??
      report.notes.some((note) => /energy unknown/i.test(note)),
  );
  for (const record of [...report.records, ...report.curve.flatMap((point) => point.records)]) {
    assert.ok(Number.isFinite(record.value) && record.value >= 0, `${record.what} ${record.value}`);
    assert.ok(
      record.method.length > 10 &&
        record.machine === report.machine.id &&
        !Number.isNaN(Date.parse(record.at)),
    );
    if (record.interval)
      assert.ok(record.interval.low <= record.value && record.value <= record.interval.high, record.what);
  }
  assert.match(report.inputs, /random inputs \(seed 1\)/);
  assert.deepEqual(
    report.curve.map(({ batch, threads }) => [batch, threads]),
    [
      [1, 1],
      [4, 1],
    ],
  );
  const rates = report.curve.map((point) => findRecord(point.records, 'throughput')!.value);
  assert.equal(report.point.batch, [1, 4][rates.indexOf(Math.max(...rates))]);
  const macs = findRecord(report.records, 'macs')!.value;
  assert.equal(macs, report.point.batch * (8 * 16 * 16 * 27 + 8 * 4));
  assert.equal(
    report.layers.reduce((sum, layer) => sum + layer.macs, 0),
    macs,
  );
  // Convolution and activation are one node to the runtime.
  assert.ok(report.layers.some(({ nodes }) => nodes.includes('conv') && nodes.includes('relu')));
});

test('a fixed batch, and one that does not run, are noted and not measured', async () => {
  const fixed = await openSession(small(2), { threads: 1 });
  const stiff = await openSession(small('N', true), { threads: 1 });
  try {
    const one = await usableBatches(fixed, [1, 8], {});
    assert.deepEqual([one.batches, one.notes.length], [[2], 1]);
    assert.match(one.notes[0]!, /only a batch of 2/);
    const two = await usableBatches(stiff, [1, 8], {});
    assert.deepEqual(two.batches, [1]);
    assert.match(two.notes[0]!, /a batch of 8 does not run/);
    await assert.rejects(usableBatches(stiff, [8], {}), { code: 'RUNTIME_FAILED' });
  } finally {
    await fixed.dispose();
    await stiff.dispose();
  }
});

test('data gives whole batches; too few samples and wrong names are said', async () => {
  const inputs = [{ name: 'x', dtype: 'float32' as const, shape: ['N', 3, 16, 16] }];
  const feeds = await feedsOf(inputs, 4, { data: memory(10) });
  assert.deepEqual(
    feeds.map(({ x }) => x!.dims[0]),
    [4, 4],
  );
  await assert.rejects(feedsOf(inputs, 16, { data: memory(10) }), { code: 'DATA_TOO_FEW' });
  await assert.rejects(feedsOf([{ ...inputs[0]!, name: 'z' }], 1, { data: memory(1) }), {
    code: 'DATA_NAMES_MISMATCH',
  });
});

for (const name of [
  'mnist/mnist-8.onnx',
  'keywords/alibaba_kws.onnx',
  'ultraface/version-RFB-320.onnx',
  'mlperf-tiny/alibaba_vww.onnx',
]) {
  test(`every multiply-accumulate of ${name} finds the executed node that does it`, async (t) => {
    const path = sharedData(name);
    if (path === undefined) return t.skip('data absent');
    const model = await loadModel(path);
    for (const level of ['basic', 'all'] as const) {
      const session = await openSession(path, { threads: 1, level });
      const feeds = randomFeeds(session.inputs);
      await session.dispose();
      const settings = { threads: 1, level };
      const times = await profileNodes(path, feeds, settings, { runs: 1, warmup: 0 });
      const work = countWork(model, feeds);
      const layers = joinLayers(times, await executedGraph(path, settings), model, work.layers);
      assert.equal(
        layers.reduce((sum, layer) => sum + layer.macs, 0),
        work.total.macs,
      );
      const joined = layers.flatMap(({ nodes }) => nodes);
      assert.equal(new Set(joined).size, joined.length, 'no node is counted twice');
      for (const layer of layers) {
        if (/Conv|Gemm|MatMul/.test(layer.op)) assert.ok(layer.macs > 0, `${layer.name} has its work`);
      }
    }
  });
}
