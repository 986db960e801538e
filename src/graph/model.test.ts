import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { arbitraryModel } from '../../test/random-model.ts';
import { randomGraph } from '../../test/symbolic.ts';
import {
  attr,
  cloneModel,
  encodeModel,
  type Graph,
  makeGraph,
  makeModel,
  makeNode,
  nameNodes,
  removeDead,
  replaceUses,
  subgraphsOf,
  Tensor,
  walkGraphs,
} from './index.ts';

test('a clone is equal', () => {
  fc.assert(
    fc.property(arbitraryModel, (model) => {
      assert.deepEqual(Buffer.from(encodeModel(cloneModel(model))), Buffer.from(encodeModel(model)));
    }),
    { seed: 6, numRuns: 200 },
  );
});

/** Changes all that can be changed in place. */
function devastate(graph: Graph): void {
  for (const inner of [...walkGraphs(graph)]) {
    for (const node of inner.nodes) {
      node.inputs.push('more');
      node.outputs.reverse();
      node.attributes.set('more', attr.int(1));
      node.attributes.delete('then_branch');
      node.metadata?.set('more', 'x');
      node.op = 'Other';
    }
    inner.inputs.pop();
    inner.outputs.push(...inner.outputs);
    inner.nodes.push(makeNode('More', [], []));
    inner.initializers.set('more', Tensor.float32([], [1]));
    inner.sparseInitializers.pop();
    inner.values.clear();
    inner.metadata?.clear();
    inner.quantization?.clear();
    inner.initializerMetadata?.clear();
  }
}

test('whatever is done to a clone, the original stays', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1e9 }), (seed) => {
      const model = makeModel(randomGraph(seed));
      model.graph.metadata = new Map([['a', 'b']]);
      model.graph.quantization = new Map([['v0', new Map([['SCALE_TENSOR', 's']])]]);
      model.graph.initializerMetadata = new Map([['w0', new Map([['a', 'b']])]]);
      for (const node of model.graph.nodes) node.metadata = new Map([['a', 'b']]);
      const before = encodeModel(model);
      const clone = cloneModel(model);
      nameNodes(clone.graph);
      replaceUses(clone.graph, 'x', 'y');
      removeDead(clone.graph);
      devastate(clone.graph);
      clone.opsets.clear();
      clone.metadata.set('a', 'b');
      clone.producer.name = 'other';
      assert.deepEqual(Buffer.from(encodeModel(model)), Buffer.from(before));
    }),
    { seed: 6, numRuns: 200 },
  );
});

test('functions of a clone can be changed too', () => {
  fc.assert(
    fc.property(arbitraryModel, (model) => {
      const before = encodeModel(model);
      for (const fn of cloneModel(model).functions) {
        fn.inputs.push('more');
        fn.outputs.push('more');
        fn.attributes.push('more');
        fn.defaults.clear();
        fn.opsets.clear();
        fn.values.clear();
        for (const node of fn.nodes) node.attributes.clear();
        fn.nodes.pop();
      }
      assert.deepEqual(Buffer.from(encodeModel(model)), Buffer.from(before));
    }),
    { seed: 7, numRuns: 100 },
  );
});

test('subgraphsOf sees single graphs and lists of them', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((name) => makeGraph({ name, inputs: [], outputs: [], nodes: [] }));
  const node = makeNode('Op', [], [], {
    one: attr.graph(a!),
    many: { type: 'graphs', value: [b!, c!] },
    i: attr.int(1),
  });
  assert.deepEqual(subgraphsOf(node), [a, b, c]);
});
