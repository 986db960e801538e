import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeGraph, makeModel, makeNode, Tensor, tensorType } from '../graph/index.ts';
import { openSession } from '../run/index.ts';
import { comparePaired } from './compare.ts';
import { randomFeeds } from './feeds.ts';
import { findRecord } from './recorder.ts';
import { throughputCurve } from './throughput.ts';

/** `layers` times a product with a 64 x 64 matrix. */
function stack(layers: number) {
  const weights = new Map(
    Array.from(
      { length: layers },
      (_, i) => [`w${i}`, Tensor.float32([64, 64], new Float32Array(4096).fill(0.01))] as const,
    ),
  );
  const graph = makeGraph({
    inputs: [{ name: 'x0', type: tensorType('float32', ['N', 64]) }],
    outputs: [{ name: `x${layers}`, type: tensorType('float32', ['N', 64]) }],
    nodes: Array.from({ length: layers }, (_, i) => makeNode('MatMul', [`x${i}`, `w${i}`], [`x${i + 1}`])),
    initializers: new Map(weights),
  });
  return makeModel(graph, 17, { irVersion: 8 });
}

test('a point for every batch, thread and instance setting, with its records', async () => {
  const seen: string[] = [];
  const points = await throughputCurve(stack(2), {
    batches: [1, 16],
    threads: [1],
    instances: [1, 2],
    seconds: 0.1,
    warmUpAtMost: 0.05,
    machine: 'm',
    feeds: (batch, session) => {
      seen.push(`${batch}/${session.settings.instances}`);
      return [randomFeeds(session.inputs, { batch })];
    },
  });
  assert.deepEqual(seen, ['1/1', '16/1', '1/2', '16/2']);
  assert.deepEqual(
    points.map(({ batch, threads, instances }) => [batch, threads, instances]),
    [
      [1, 1, 1],
      [16, 1, 1],
      [1, 1, 2],
      [16, 1, 2],
    ],
  );
  for (const point of points) {
    const throughput = findRecord(point.records, 'throughput')!;
    assert.ok(throughput.value > 0 && (throughput.interval?.low ?? 0) <= throughput.value);
    assert.equal(throughput.settings?.batch, point.batch);
    assert.ok(findRecord(point.records, 'latency.p50')!.value > 0);
  }
});

test('a real model of forty layers is found slower than one of four', async () => {
  const [short, long] = [
    await openSession(stack(4), { threads: 1 }),
    await openSession(stack(40), { threads: 1 }),
  ];
  try {
    const feeds = [randomFeeds(short.inputs, { batch: 8 })];
    const { contestants, rounds } = await comparePaired(
      [
        { name: 'short', session: short, feeds, samplesPerRun: 8 },
        { name: 'long', session: long, feeds, samplesPerRun: 8 },
      ],
      { seconds: 0.5, seed: 1, warmUpAtMost: 0.2, machine: 'm' },
    );
    assert.ok(rounds >= 6);
    assert.equal(contestants[1]!.verdict, 'slower');
    assert.ok(contestants[1]!.cpuRatio.value > 1);
  } finally {
    await short.dispose();
    await long.dispose();
  }
});
