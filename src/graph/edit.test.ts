import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Meanings, randomGraph } from '../../test/symbolic.ts';
import { Random } from '../base/index.ts';
import {
  attr,
  bypass,
  cloneGraph,
  constantOf,
  definedNames,
  freshName,
  type Graph,
  indexGraph,
  insertAfter,
  insertBefore,
  isConstant,
  makeGraph,
  makeModel,
  makeNode,
  nameNodes,
  namer,
  removeDead,
  removeNodes,
  replaceUses,
  soleConsumer,
  sortNodes,
  Tensor,
  tensorType,
  topologicalOrder,
  verify,
  walkGraphs,
  walkNodes,
} from './index.ts';

const seeds = fc.integer({ min: 0, max: 1e9 });
const runs = { numRuns: 400, seed: 11 };
const type = tensorType('float32', [2]);
const port = (name: string) => ({ name, type });
const sound = (graph: Graph) => assert.deepEqual(verify(makeModel(graph)), []);

function sameMeaning(before: Graph, after: Graph): void {
  const meanings = new Meanings();
  assert.deepEqual(meanings.ofOutputs(after), meanings.ofOutputs(before));
}

test('the random graphs themselves are sound', () => {
  fc.assert(
    fc.property(seeds, (seed) => sound(randomGraph(seed))),
    runs,
  );
});

test('sortNodes mends any order and leaves a good one alone', () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const graph = randomGraph(seed);
      assert.deepEqual(topologicalOrder(graph), graph.nodes);
      const mixed = cloneGraph(graph);
      new Random(seed).shuffle(mixed.nodes);
      sortNodes(mixed);
      sound(mixed);
      sameMeaning(graph, mixed);
    }),
    runs,
  );
});

test('sortNodes names the circle', () => {
  const nodes = [makeNode('A', ['c'], ['a'], {}, { name: 'first' }), makeNode('B', ['a'], ['c'])];
  const graph = makeGraph({ inputs: [], outputs: [port('c')], nodes });
  assert.throws(() => sortNodes(graph), { code: 'MODEL_INVALID', message: /circle: .*first/ });
});

test('sortNodes walks a chain of 200000 nodes without running out of stack', () => {
  const nodes = Array.from({ length: 200_000 }, (_, i) =>
    makeNode('Relu', [`v${i}`], [`v${i + 1}`]),
  ).reverse();
  const graph = makeGraph({ inputs: [port('v0')], outputs: [port('v200000')], nodes });
  sortNodes(graph);
  assert.equal(graph.nodes[0]?.inputs[0], 'v0');
});

test('removeDead keeps the meaning, leaves nothing dead and finds nothing more the second time', () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const graph = randomGraph(seed);
      const before = cloneGraph(graph);
      const removed = removeDead(graph);
      sound(graph);
      sameMeaning(before, graph);
      assert.equal(
        [...walkNodes(before)].length >= [...walkNodes(graph)].length + removed.nodes.length,
        true,
      );
      const index = indexGraph(graph);
      for (const node of graph.nodes) {
        assert.ok(node.outputs.some((name) => index.consumers.has(name) || index.outputs.has(name)));
      }
      for (const name of graph.initializers.keys()) assert.ok(index.consumers.has(name));
      const own = definedNames(graph);
      for (const name of graph.values.keys()) assert.ok(own.has(name));
      assert.deepEqual(removeDead(graph), { nodes: [], initializers: [] });
    }),
    runs,
  );
});

test('removeDead keeps operators that may have effects', () => {
  const print = makeNode('Print', ['x'], ['unused'], {}, { domain: 'local.debug' });
  const graph = makeGraph({
    inputs: [port('x')],
    outputs: [port('y')],
    nodes: [print, makeNode('Relu', ['x'], ['y'])],
  });
  assert.equal(removeDead(graph).nodes.length, 0);
  assert.deepEqual(removeDead(graph, () => true).nodes, [print]);
});

test('bypass of every Identity keeps outputs, names and meaning', () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(seeds, (seed) => {
      const graph = randomGraph(seed);
      const before = cloneGraph(graph);
      for (const node of [...graph.nodes]) {
        if (node.op === 'Identity') seen.add(bypass(graph, node, node.inputs[0]!));
      }
      sound(graph);
      sameMeaning(before, graph);
      assert.deepEqual(graph.outputs, before.outputs);
      const { producers, outputs } = indexGraph(graph);
      for (const node of graph.nodes.filter(({ op }) => op === 'Identity')) {
        const [from] = node.inputs;
        assert.ok(outputs.has(node.outputs[0]!), 'only one that feeds an output remains');
        assert.ok(!producers.has(from!) || outputs.has(from!), 'and only where no maker could take its name');
      }
    }),
    runs,
  );
  assert.deepEqual([...seen].sort(), ['identity', 'renamed', 'rewired']);
});

test('bypass refuses a node whose other outputs are read', () => {
  const split = makeNode('Split', ['x'], ['a', 'b']);
  const graph = makeGraph({
    inputs: [port('x')],
    outputs: [port('a')],
    nodes: [split, makeNode('Relu', ['b'], ['c'])],
  });
  assert.throws(() => bypass(graph, split, 'x'), { code: 'INTERNAL' });
});

test('replaceUses reaches nested graphs, and leaves hidden names and outputs alone', () => {
  const inner = makeGraph({ inputs: [], outputs: [port('s')], nodes: [makeNode('Add', ['a', 'a'], ['s'])] });
  const hiding = makeGraph({
    inputs: [port('a')],
    outputs: [port('t')],
    nodes: [makeNode('Relu', ['a'], ['t'])],
  });
  const direct = makeGraph({ inputs: [], outputs: [port('a')], nodes: [] });
  const graph = makeGraph({
    inputs: [port('x')],
    outputs: [port('a')],
    nodes: [
      makeNode('Relu', ['x'], ['a']),
      makeNode('If', ['x'], ['r'], { then_branch: attr.graph(inner), else_branch: attr.graph(direct) }),
      makeNode('Scan', ['x'], ['q'], { body: attr.graph(hiding) }),
    ],
  });
  replaceUses(graph, 'a', 'x');
  assert.deepEqual(inner.nodes[0]?.inputs, ['x', 'x']);
  assert.deepEqual(hiding.nodes[0]?.inputs, ['a']);
  assert.equal(direct.outputs[0]?.name, 'x');
  assert.equal(graph.outputs[0]?.name, 'a');
  assert.deepEqual(graph.nodes[0]?.outputs, ['a']);
});

test('replaceUses will not let an outer name slip under a nested one', () => {
  const inner = makeGraph({
    inputs: [port('b')],
    outputs: [port('s')],
    nodes: [makeNode('Add', ['a', 'b'], ['s'])],
  });
  const nodes = [makeNode('Relu', ['x'], ['a']), makeNode('Scan', ['x'], ['q'], { body: attr.graph(inner) })];
  const graph = makeGraph({ inputs: [port('x')], outputs: [port('q')], nodes });
  assert.throws(() => replaceUses(graph, 'a', 'b'), { code: 'MODEL_INVALID' });
});

test('indexGraph and soleConsumer see captures', () => {
  const inner = makeGraph({ inputs: [], outputs: [port('s')], nodes: [makeNode('Add', ['a', 'a'], ['s'])] });
  const graph = makeGraph({
    inputs: [port('x')],
    outputs: [port('r'), port('c')],
    nodes: [
      makeNode('Relu', ['x'], ['a']),
      makeNode('Add', ['x', 'x'], ['b']),
      makeNode('Relu', ['b'], ['c']),
      makeNode('If', ['x'], ['r'], { then_branch: attr.graph(inner), else_branch: attr.graph(inner) }),
    ],
  });
  const index = indexGraph(graph);
  assert.deepEqual(index.consumers.get('a'), [graph.nodes[3]]);
  assert.deepEqual([...index.captured], ['a']);
  assert.equal(index.consumers.get('x')?.length, 3, 'a node that reads a value twice is listed once');
  assert.equal(soleConsumer(index, 'a'), undefined);
  assert.equal(soleConsumer(index, 'b'), graph.nodes[2]);
  assert.equal(soleConsumer(index, 'c'), undefined, 'an output has the outside as a reader too');
});

test('insertBefore, insertAfter and removeNodes', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((name) => makeNode(name, [], [name]));
  const graph = makeGraph({ inputs: [], outputs: [], nodes: [b!] });
  insertBefore(graph, b!, a!);
  insertAfter(graph, b!, c!);
  assert.deepEqual(graph.nodes, [a, b, c]);
  removeNodes(graph, [a!, c!]);
  assert.deepEqual(graph.nodes, [b]);
  assert.throws(() => insertAfter(graph, a!, c!), { code: 'INTERNAL' });
});

test('fresh names are new to the graph and to what is nested in it', () => {
  fc.assert(
    fc.property(seeds, fc.constantFrom('v1', 'b0t', 'w0', 'n3', 'x', 'other', ''), (seed, stem) => {
      const graph = randomGraph(seed);
      const taken = new Set([...walkGraphs(graph)].flatMap((inner) => [...definedNames(inner)]));
      for (const node of walkNodes(graph)) taken.add(node.name);
      const fresh = namer(graph);
      const names = [fresh(stem), fresh(stem), fresh(stem)];
      assert.equal(new Set(names).size, 3);
      for (const name of names) assert.ok(name !== '' && !taken.has(name));
      assert.equal(freshName(graph, stem), names[0]);
    }),
    runs,
  );
});

test('nameNodes: unique, stable, and kept where a node had a name of its own', () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const graph = randomGraph(seed);
      const twin = randomGraph(seed);
      const own = new Set([...walkNodes(graph)].map(({ name }) => name).filter(Boolean));
      nameNodes(graph);
      nameNodes(twin);
      const names = [...walkNodes(graph)].map(({ name }) => name);
      assert.equal(new Set(names).size, names.length);
      assert.ok(!names.includes(''));
      for (const name of own) assert.ok(names.includes(name));
      assert.deepEqual(graph, twin);
      assert.equal(nameNodes(graph), 0);
    }),
    runs,
  );
});

test('constantOf: initializers and Constant nodes, but no default of an input', () => {
  const weight = Tensor.float32([1], [3]);
  const graph = makeGraph({
    inputs: [port('x'), port('given')],
    outputs: [port('x')],
    initializers: new Map([
      ['w', weight],
      ['given', weight],
    ]),
    nodes: [
      makeNode('Constant', [], ['t'], { value: attr.tensor(weight) }),
      makeNode('Constant', [], ['f'], { value_float: attr.float(0.5) }),
      makeNode('Constant', [], ['fs'], { value_floats: attr.floats([0.5, 1]) }),
      makeNode('Constant', [], ['i'], { value_int: attr.int(7) }),
      makeNode('Constant', [], ['is'], { value_ints: attr.ints([7, 8]) }),
      makeNode('Constant', [], ['s'], { value_string: attr.string('word') }),
      makeNode('Relu', ['x'], ['r']),
    ],
  });
  const index = indexGraph(graph);
  for (const known of [undefined, index]) {
    const of = (name: string) => constantOf(graph, name, known);
    assert.equal(of('w'), weight);
    assert.equal(of('t'), weight);
    assert.deepEqual(of('f')?.numbers(), [0.5]);
    assert.deepEqual(of('f')?.dims, []);
    assert.deepEqual(of('fs')?.numbers(), [0.5, 1]);
    assert.deepEqual(of('i')?.as('int64'), BigInt64Array.of(7n));
    assert.deepEqual(of('is')?.dims, [2]);
    assert.deepEqual(of('s')?.strings(), ['word']);
    for (const name of ['', 'x', 'r', 'given', 'nowhere'])
      assert.equal(isConstant(graph, name, known), false);
  }
});
