import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeGraph, makeModel, makeNode, Tensor, tensorType } from '../graph/index.ts';
import { countWork } from './flops.ts';
import { findRecord } from './recorder.ts';

const weights = (dims: number[]) =>
  Tensor.float32(dims, new Float32Array(dims.reduce((a, b) => a * b)).fill(0.5));

test('multiply-accumulates, parameters and bytes of known layers, for the batch of the feeds', () => {
  const model = makeModel(
    makeGraph({
      inputs: [{ name: 'x', type: tensorType('float32', ['N', 3, 8, 8]) }],
      outputs: [{ name: 'y', type: tensorType('float32', ['N', 4, 8, 8]) }],
      nodes: [
        makeNode(
          'Conv',
          ['x', 'w', 'b'],
          ['c'],
          { pads: { type: 'ints', value: [1, 1, 1, 1] } },
          { name: 'conv' },
        ),
        makeNode('Relu', ['c'], ['y'], {}, { name: 'relu' }),
      ],
      initializers: new Map([
        ['w', weights([4, 3, 3, 3])],
        ['b', weights([4])],
      ]),
    }),
    17,
  );
  const { records, layers, integerMacs, unknown } = countWork(
    model,
    { x: weights([2, 3, 8, 8]) },
    { machine: 'm' },
  );
  const value = (what: string) => findRecord(records, what)!.value;
  assert.equal(value('macs'), 2 * 4 * 8 * 8 * 27);
  assert.equal(value('parameters'), 4 * 27 + 4);
  assert.equal(value('bytes.weights'), 4 * (4 * 27 + 4));
  assert.equal(value('bytes.activations'), 4 * (2 * 3 * 64 + 3 * 2 * 4 * 64));
  assert.ok(value('flops') >= 2 * value('macs'));
  assert.deepEqual(
    layers.map(({ node, integer }) => [node, integer]),
    [
      ['conv', false],
      ['relu', false],
    ],
  );
  assert.deepEqual([integerMacs, unknown.length], [0, 0]);
});

test('a product of dequantized tensors counts as integer arithmetic', () => {
  const model = makeModel(
    makeGraph({
      inputs: [{ name: 'x', type: tensorType('uint8', [1, 16]) }],
      outputs: [{ name: 'y', type: tensorType('float32', [1, 8]) }],
      nodes: [
        makeNode('DequantizeLinear', ['x', 's'], ['xf']),
        makeNode('DequantizeLinear', ['w', 's'], ['wf']),
        makeNode('MatMul', ['xf', 'wf'], ['y']),
      ],
      initializers: new Map([
        ['s', Tensor.float32([], [0.1])],
        ['w', Tensor.of('int8', [16, 8], new Int8Array(128).fill(1))],
      ]),
    }),
    17,
  );
  const { integerMacs, total } = countWork(
    model,
    { x: Tensor.of('uint8', [1, 16], new Uint8Array(16)) },
    { machine: 'm' },
  );
  assert.deepEqual([integerMacs, total.macs], [128, 128]);
});

test('what no rule counts is named, and the totals say that they are lower bounds', () => {
  const model = makeModel(
    makeGraph({
      inputs: [{ name: 'x', type: tensorType('float32', [2]) }],
      outputs: [{ name: 'y', type: tensorType('float32', [2]) }],
      nodes: [makeNode('Mystery', ['x'], ['y'], {}, { domain: 'acme', name: 'm1' })],
    }),
    17,
  );
  model.opsets.set('acme', 1);
  const { records, unknown } = countWork(model, { x: weights([2]) }, { machine: 'm' });
  assert.deepEqual(
    unknown.map(({ node }) => node),
    ['m1'],
  );
  assert.match(findRecord(records, 'macs')!.method, /lower bound/);
});
