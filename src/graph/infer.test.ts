import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { ModicumError } from '../base/index.ts';
import {
  attr,
  type DType,
  type FunctionDef,
  inferShapes,
  type Model,
  makeGraph,
  makeModel,
  makeNode,
  type Node,
  type Shape,
  Tensor,
  tensorType,
  type ValueInfo,
} from './index.ts';

const value = (name: string, shape: Shape, dtype: DType = 'float32'): ValueInfo => ({
  name,
  type: tensorType(dtype, shape),
});
const open = (name: string): ValueInfo => ({ name, type: { kind: 'unknown' } });

function model(
  inputs: ValueInfo[],
  nodes: Node[],
  weights: Record<string, Tensor> = {},
  rest: { values?: ValueInfo[]; opset?: number; outputs?: ValueInfo[] } = {},
): Model {
  const outputs = rest.outputs ?? [open(nodes.at(-1)!.outputs[0]!)];
  const values = new Map((rest.values ?? []).map((info) => [info.name, info]));
  const graph = makeGraph({ inputs, outputs, nodes, values, initializers: new Map(Object.entries(weights)) });
  return makeModel(graph, rest.opset ?? 17);
}

const mismatch = (pattern: RegExp) => (thrown: unknown) =>
  thrown instanceof ModicumError && thrown.code === 'SHAPE_MISMATCH' && pattern.test(thrown.message);

test('a symbol is kept where the size passes through, and lost where it is computed with', () => {
  const found = inferShapes(
    model(
      [value('x', ['batch', 3, 8, 8])],
      [
        makeNode('Conv', ['x', 'w'], ['c'], { pads: attr.ints([1, 1, 1, 1]) }),
        makeNode('GlobalAveragePool', ['c'], ['p']),
        makeNode('Flatten', ['p'], ['f']),
        makeNode('Concat', ['f', 'f'], ['doubled'], { axis: attr.int(0) }),
      ],
      { w: Tensor.float32([4, 3, 3, 3], new Float32Array(108)) },
    ),
  );
  assert.deepEqual(found.get('c'), { dtype: 'float32', shape: ['batch', 4, 8, 8] });
  assert.deepEqual(found.get('f')?.shape, ['batch', 4]);
  assert.deepEqual(found.get('doubled')?.shape, [null, 4]);
});

/** Reshape(x, Concat(Unsqueeze(Gather(Shape(x), 0)), [-1])): what exporters write for x.view(x.size(0), -1). */
const viewNodes = [
  makeNode('Shape', ['x'], ['s']),
  makeNode('Gather', ['s', 'zero'], ['n']),
  makeNode('Unsqueeze', ['n', 'axes'], ['n1']),
  makeNode('Mul', ['n1', 'one'], ['n2']),
  makeNode('Concat', ['n2', 'rest'], ['target'], { axis: attr.int(0) }),
  makeNode('Reshape', ['x', 'target'], ['y']),
];
const viewWeights = {
  zero: Tensor.int64([], [0]),
  axes: Tensor.int64([1], [0]),
  one: Tensor.int64([1], [1]),
  rest: Tensor.int64([1], [-1]),
};

test('a target computed from a shape resolves, with its symbol', () => {
  const view = model([value('x', ['n', 4, 5])], viewNodes, viewWeights);
  assert.deepEqual(inferShapes(view).get('y')?.shape, ['n', 20]);
  assert.deepEqual(inferShapes(view, { inputShapes: { x: [7, 4, 5] } }).get('y')?.shape, [7, 20]);
  assert.deepEqual(inferShapes(view, { constants: false }).get('y')?.shape, [null, null]);
});

test('value_info fills gaps and is held to the rules', () => {
  const nodes = [
    makeNode('NonZero', ['x'], ['at'], {}, { name: 'finder' }),
    makeNode('Relu', ['x'], ['y'], {}, { name: 'rectifier' }),
  ];
  const filled = model([value('x', [2, 'n'])], nodes, {}, { values: [value('at', [2, 'hits'], 'int64')] });
  assert.deepEqual(inferShapes(filled).get('at')?.shape, [2, 'hits']);
  const wrong = model([value('x', [2, 'n'])], nodes, {}, { values: [value('y', [3, 'n'])] });
  assert.throws(
    () => inferShapes(wrong),
    mismatch(/rectifier.*\[2, n\] by its rule and \[3, n\] by the file/),
  );
  assert.equal(inferShapes(wrong, { strict: false }).conflicts.length, 1);
  assert.deepEqual(inferShapes(wrong, { strict: false }).get('y')?.shape, [2, 'n']);
  const dtype = model(
    [value('x', [2])],
    [makeNode('Relu', ['x'], ['y'])],
    {},
    { values: [value('y', [2], 'int8')] },
  );
  assert.throws(() => inferShapes(dtype), mismatch(/is float32 by its rule and int8 by the file/));
});

test('given shapes bind symbols, and make contradicting declarations stale', () => {
  const nodes = [makeNode('NonZero', ['x'], ['at']), makeNode('Relu', ['x'], ['y'])];
  const symbolic = model([value('x', ['n'])], nodes, {}, { values: [value('at', [1, 'n'], 'int64')] });
  assert.deepEqual(inferShapes(symbolic, { inputShapes: { x: [6] } }).get('at')?.shape, [1, 6]);
  const fixed = model([value('x', [1, 4])], nodes, {}, { values: [value('y', [1, 4])] });
  assert.deepEqual(inferShapes(fixed, { inputShapes: { x: [8, 4] } }).get('y')?.shape, [8, 4]);
  assert.throws(
    () => inferShapes(fixed, { inputShapes: { x: [8] } }),
    mismatch(/input "x" is \[1, 4\], not \[8\]/),
  );
});

test('shapes that cannot be are refused with the node named', () => {
  const two = [value('a', [2, 3]), value('b', [4, 5])];
  const cases: [Node, RegExp][] = [
    [
      makeNode('MatMul', ['a', 'b'], ['y'], {}, { name: 'product' }),
      /product \(MatMul\): the inner dimensions.*3 against 4/,
    ],
    [makeNode('Add', ['a', 'b'], ['y']), /Add\(y\) \(Add\): 2 and 4 cannot be broadcast/],
    [makeNode('Concat', ['a', 'b'], ['y'], { axis: attr.int(0) }), /dimension 1/],
    [makeNode('Transpose', ['a'], ['y'], { perm: attr.ints([0, 0]) }), /no permutation/],
    [makeNode('Gather', ['a', 'a'], ['y'], { axis: attr.int(2) }), /axis 2 of a tensor of rank 2/],
    [makeNode('MaxPool', ['a'], ['y'], { kernel_shape: attr.ints([3]) }), /window/],
  ];
  for (const [node, pattern] of cases) {
    assert.throws(() => inferShapes(model(two, [node])), mismatch(pattern), node.op);
  }
});

test('an op without a rule is reported, and what follows is inferred as far as it goes', () => {
  const nodes = [
    makeNode('Magic', ['x'], ['m'], {}, { domain: 'custom', name: 'wand' }),
    makeNode('Relu', ['m'], ['r']),
    makeNode('Shape', ['x'], ['y']),
  ];
  const found = inferShapes(model([value('x', [2])], nodes));
  assert.deepEqual(found.missing, [{ node: 'wand', op: 'custom:Magic' }]);
  assert.equal(found.get('r')?.shape, undefined);
  assert.deepEqual(found.get('y')?.elements, [2]);
});

test('branches: what both agree on, or the one that is taken', () => {
  const branch = (size: number) =>
    attr.graph(
      makeGraph({
        inputs: [],
        outputs: [open('b')],
        nodes: [makeNode('Expand', ['x', 'target'], ['b'])],
        initializers: new Map([['target', Tensor.int64([2], [size, 3])]]),
      }),
    );
  const node = makeNode('If', ['c'], ['y'], { then_branch: branch(4), else_branch: branch(5) });
  const inputs = [value('x', [1, 3]), value('c', [], 'bool')];
  const found = inferShapes(model(inputs, [node]));
  assert.deepEqual(found.get('y')?.shape, [null, 3]);
  assert.equal(found.nested.size, 2);
  const yes = Tensor.of('bool', [], new Uint8Array([1]));
  assert.deepEqual(inferShapes(model(inputs, [node]), { inputValues: { c: yes } }).get('y')?.shape, [4, 3]);
});

test('loops: a carried value that grows is unknown, scans have the trip count in front', () => {
  const body = makeGraph({
    inputs: [value('i', [], 'int64'), value('go', [], 'bool'), open('list'), open('same')],
    outputs: [open('on'), open('longer'), open('kept'), open('seen')],
    nodes: [
      makeNode('Identity', ['go'], ['on']),
      makeNode('Concat', ['list', 'x'], ['longer'], { axis: attr.int(0) }),
      makeNode('Relu', ['same'], ['kept']),
      makeNode('Neg', ['same'], ['seen']),
    ],
  });
  const node = makeNode('Loop', ['trips', '', 'x', 'x'], ['a', 'b', 'c'], { body: attr.graph(body) });
  const found = inferShapes(model([value('x', [2, 3])], [node], { trips: Tensor.int64([], [5]) }));
  assert.deepEqual(found.get('a')?.shape, [null, 3]);
  assert.deepEqual(found.get('b')?.shape, [2, 3]);
  // The condition is handed through, not known to stay true: a loop may end early.
  assert.deepEqual(found.get('c')?.shape, [null, 2, 3]);
});

test('functions of the model are inferred through, with the attributes of the call', () => {
  const fn: FunctionDef = {
    name: 'Halves',
    domain: 'local',
    inputs: ['v'],
    outputs: ['low'],
    attributes: ['along'],
    defaults: new Map(),
    nodes: [
      makeNode('Split', ['v'], ['low', 'high'], { axis: { type: 'reference', value: 'along', refType: 2 } }),
    ],
    opsets: new Map([['', 13]]),
    values: new Map(),
  };
  const call = makeNode('Halves', ['x'], ['y'], { along: attr.int(1) }, { domain: 'local' });
  const calling = { ...model([value('x', [2, 8])], [call]), functions: [fn] };
  const found = inferShapes(calling);
  assert.deepEqual(found.get('y'), { dtype: 'float32', shape: [2, 4] });
  assert.equal(found.calls.size, 1);
  fn.nodes.push(makeNode('Halves', ['low'], ['again'], {}, { domain: 'local' }));
  assert.throws(() => inferShapes(calling), /calls itself/);
});

test('malformed nodes end in an error of ours', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(
        'Conv',
        'Gemm',
        'Slice',
        'LSTM',
        'Resize',
        'Split',
        'Pad',
        'Einsum',
        'Attention',
        'Loop',
        'Scan',
        'TopK',
        'QLinearConv',
        'ConvTranspose',
        'GatherND',
      ),
      fc.array(fc.array(fc.integer({ min: -2, max: 5 }), { maxLength: 5 }), { maxLength: 6 }),
      fc.dictionary(
        fc.constantFrom('axis', 'axes', 'pads', 'strides', 'kernel_shape', 'group', 'starts', 'split'),
        fc.array(fc.integer({ min: -3, max: 4 }), { maxLength: 4 }),
      ),
      fc.integer({ min: 1, max: 25 }),
      (op, shapes, given, opset) => {
        const inputs = shapes.map((shape, i) => value(`x${i}`, shape, i === 1 ? 'int64' : 'float32'));
        const attributes = Object.fromEntries(
          Object.entries(given).map(([name, list]) => [
            name,
            name === 'axis' || name === 'group' ? attr.int(list[0] ?? 0) : attr.ints(list),
          ]),
        );
        const node = makeNode(
          op,
          inputs.map(({ name }) => name),
          ['y', 'z'],
          attributes,
        );
        try {
          const found = inferShapes(model(inputs, [node], {}, { opset }));
          for (const dim of found.get('y')?.shape ?? []) assert.ok(typeof dim !== 'number' || dim >= 0);
        } catch (thrown) {
          assert.ok(thrown instanceof ModicumError, String(thrown));
        }
      },
    ),
    { seed: 1, numRuns: 3000 },
  );
});

test('functions of functions and loops in loops do not run away', () => {
  const functions = Array.from(
    { length: 40 },
    (_, i): FunctionDef => ({
      name: `F${i}`,
      domain: 'local',
      inputs: ['v'],
      outputs: ['out'],
      attributes: [],
      defaults: new Map(),
      nodes:
        i === 0
          ? [makeNode('Relu', ['v'], ['out'])]
          : [
              makeNode(`F${i - 1}`, ['v'], ['half'], {}, { domain: 'local' }),
              makeNode(`F${i - 1}`, ['half'], ['out'], {}, { domain: 'local' }),
            ],
      opsets: new Map([['', 17]]),
      values: new Map(),
    }),
  );
  const laughs = model([value('x', [2])], [makeNode('F39', ['x'], ['y'], {}, { domain: 'local' })]);
  assert.equal(inferShapes({ ...laughs, functions }).get('y')?.shape, undefined);
  let node = makeNode('Concat', ['v', 'x'], ['o'], { axis: attr.int(0) });
  for (let depth = 0; depth < 24; depth++) {
    const body = makeGraph({
      inputs: [open('i'), open('go'), open('v')],
      outputs: [open('go'), open('o')],
      nodes: [node],
    });
    node = makeNode('Loop', ['', 'go', 'v'], ['o'], { body: attr.graph(body) });
  }
  const first = { ...node, inputs: ['', 'go', 'x'] };
  assert.notEqual(
    inferShapes(model([value('x', [2]), value('go', [], 'bool')], [first])).get('o')?.shape?.[0],
    2,
  );
});
