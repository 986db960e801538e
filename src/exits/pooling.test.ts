import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeGraph, makeModel, makeNode, namer, Tensor, tensorType } from '../graph/index.ts';
import { openSession } from '../run/index.ts';
import type { Place } from './places.ts';
import { addPooling, featuresOf, type Pooling, poolingsOf } from './pooling.ts';

function placeOf(kind: Place['kind'], axis: number, channels: number, room: readonly number[]): Place {
  return { value: 'v', node: 'v', kind, axis, channels, room, macs: 1, frontier: ['v'], frontierBytes: 4 };
}

test('grids are as fine as the features allow, without overlap, and one of half that', () => {
  const grids = (place: Place, most: number) =>
    poolingsOf(place, most).flatMap((pooling) => (pooling.kind === 'grid' ? [pooling.parts.join('x')] : []));
  assert.deepEqual(grids(placeOf('picture', 1, 8, [14, 14]), 1600), ['7x7', '14x14']);
  assert.deepEqual(grids(placeOf('picture', 1, 8, [14, 14]), 400), ['3x3', '7x7']);
  assert.deepEqual(grids(placeOf('picture', 1, 64, [12, 2]), 256), ['2x1', '4x1']);
  assert.deepEqual(grids(placeOf('picture', 1, 512, [7, 7]), 256), []);
  assert.deepEqual(grids(placeOf('picture', 1, 4, [1, 1]), 256), []);
  assert.deepEqual(
    poolingsOf(placeOf('sequence', 2, 32, [10])).map(({ kind }) => kind),
    ['mean', 'first'],
  );
});

/** What the nodes of a pooling give for a value. */
async function pooled(place: Place, pooling: Pooling, value: Tensor, opset: number): Promise<Tensor> {
  const graph = makeGraph({
    inputs: [{ name: 'x', type: tensorType('float32', ['n', ...value.dims.slice(1)]) }],
    outputs: [],
    nodes: [makeNode('Identity', ['x'], ['v'])],
  });
  const model = makeModel(graph, opset, { irVersion: 8 });
  const name = addPooling(model, place, pooling, 'p', namer(graph));
  graph.outputs.push({ name, type: tensorType('float32', ['n', featuresOf(place, pooling)]) });
  const session = await openSession(model, { threads: 1 });
  try {
    return (await session.run({ x: value }))[name]!;
  } finally {
    await session.dispose();
  }
}

const counting = (dims: readonly number[]) => {
  const size = dims.reduce((a, b) => a * b, 1);
  return Tensor.float32(
    dims,
    Float32Array.from({ length: size }, (_, i) => i),
  );
};

test('poolings give means over all, over parts, and the first position', async () => {
  const picture = placeOf('picture', 1, 1, [5, 4]);
  const value = counting([2, 1, 5, 4]);
  const mean = await pooled(picture, { kind: 'mean' }, value, 13);
  assert.deepEqual([mean.dims, ...mean.numbers()], [[2, 1], 9.5, 29.5]);
  // Five rows have no two equal halves: both parts take three, the one in the middle is in both.
  const grid = await pooled(picture, { kind: 'grid', parts: [2, 2] }, value, 13);
  assert.deepEqual(grid.dims, [2, 4]);
  assert.deepEqual(grid.numbers().slice(0, 4), [4.5, 6.5, 12.5, 14.5]);
  const whole = await pooled(picture, { kind: 'grid', parts: [5, 4] }, value, 13);
  assert.deepEqual(whole.numbers(), value.numbers());
  const rows = placeOf('sequence', 2, 3, [4]);
  for (const opset of [13, 18]) {
    const sequence = counting([1, 4, 3]);
    assert.deepEqual((await pooled(rows, { kind: 'mean' }, sequence, opset)).numbers(), [4.5, 5.5, 6.5]);
    assert.deepEqual((await pooled(rows, { kind: 'first' }, sequence, opset)).numbers(), [0, 1, 2]);
  }
  const signal = placeOf('sequence', 1, 2, [3]);
  assert.deepEqual((await pooled(signal, { kind: 'mean' }, counting([1, 2, 3]), 13)).numbers(), [1, 4]);
});
