import assert from 'node:assert/strict';
import test from 'node:test';
import {
  attr,
  costOf,
  type FunctionDef,
  inferShapes,
  makeGraph,
  makeModel,
  makeNode,
  type Node,
  type Shape,
  Tensor,
  tensorType,
  type ValueInfo,
} from './index.ts';

const value = (name: string, shape: Shape): ValueInfo => ({ name, type: tensorType('float32', shape) });
const open = (name: string): ValueInfo => ({ name, type: { kind: 'unknown' } });
const zeros = (...dims: number[]) => Tensor.float32(dims, new Float32Array(dims.reduce((a, b) => a * b, 1)));

function model(
  inputs: ValueInfo[],
  nodes: Node[],
  weights: Record<string, Tensor>,
  functions: FunctionDef[] = [],
) {
  const outputs = [open(nodes.at(-1)!.outputs[0]!)];
  return makeModel(
    makeGraph({ inputs, outputs, nodes, initializers: new Map(Object.entries(weights)) }),
    17,
    {
      functions,
      opsets: new Map([
        ['', 17],
        ['com.microsoft', 1],
      ]),
    },
  );
}

test('a convolution and a product, by hand', () => {
  const net = model(
    [value('x', ['n', 3, 8, 8])],
    [
      makeNode('Conv', ['x', 'w', 'b'], ['c'], { group: attr.int(1), strides: attr.ints([2, 2]) }),
      makeNode('Relu', ['c'], ['r']),
      makeNode('Flatten', ['r'], ['f']),
      makeNode('Gemm', ['f', 'w2', 'b2'], ['y'], { transB: attr.int(1) }),
    ],
    { w: zeros(4, 3, 3, 3), b: zeros(4), w2: zeros(10, 36), b2: zeros(10) },
  );
  const { nodes, total, unknown } = costOf(net);
  // 3x3 outputs of 4 channels, 27 MACs and one addition each; activations: 3*8*8 in, 36 out.
  assert.deepEqual(nodes[0], {
    node: 'Conv(c)',
    op: 'Conv',
    times: 1,
    macs: 36 * 27,
    flops: 2 * 36 * 27 + 36,
    parameters: 108 + 4,
    weightBytes: 4 * 112,
    activationBytes: 4 * (192 + 36),
  });
  assert.equal(nodes[3]!.macs, 360);
  assert.equal(total.macs, 36 * 27 + 360);
  assert.equal(total.flops, 2 * total.macs + 36 + 36 + 10);
  assert.equal(total.parameters, 112 + 370);
  assert.deepEqual(unknown, []);
  assert.equal(costOf(net, inferShapes(net), { symbols: { n: 5 } }).total.macs, 5 * total.macs);
});

test('depthwise and transposed convolutions', () => {
  const depthwise = model(
    [value('x', [1, 8, 5, 5])],
    [makeNode('Conv', ['x', 'w'], ['y'], { group: attr.int(8) })],
    {
      w: zeros(8, 1, 3, 3),
    },
  );
  assert.equal(costOf(depthwise).total.macs, 8 * 9 * 9);
  const transposed = model([value('x', [1, 2, 4, 4])], [makeNode('ConvTranspose', ['x', 'w'], ['y'])], {
    w: zeros(2, 3, 2, 2),
  });
  assert.equal(costOf(transposed).total.macs, 2 * 16 * 3 * 4);
});

test('quantized products count their MACs, packed weights their parameters', () => {
  const bytes = (...dims: number[]) =>
    Tensor.of('uint8', dims, new Uint8Array(dims.reduce((a, b) => a * b, 1)));
  const nbits = model(
    [value('x', [2, 64])],
    [
      makeNode(
        'MatMulNBits',
        ['x', 'B', 's'],
        ['y'],
        { K: attr.int(64), N: attr.int(8), bits: attr.int(4), block_size: attr.int(32) },
        { domain: 'com.microsoft' },
      ),
    ],
    { B: bytes(8, 2, 16), s: zeros(16) },
  );
  const { total, nodes } = costOf(nbits);
  assert.equal(total.macs, 2 * 64 * 8);
  assert.equal(total.parameters, 512);
  assert.equal(nodes[0]!.parameters, 512);
  assert.equal(total.weightBytes, 256 + 64);
  const integer = model(
    [{ name: 'x', type: tensorType('uint8', [2, 3]) }],
    [makeNode('MatMulInteger', ['x', 'w'], ['y'])],
    { w: bytes(3, 4) },
  );
  assert.equal(costOf(integer).total.macs, 24);
});

test('weights in attributes count', () => {
  const node = makeNode(
    'LinearRegressor',
    ['x'],
    ['y'],
    { coefficients: attr.floats([1, 2, 3, 4, 5, 6]), targets: attr.int(2) },
    { domain: 'ai.onnx.ml' },
  );
  const { total } = costOf(model([value('x', [5, 3])], [node], {}));
  assert.equal(total.macs, 30);
  assert.equal(total.parameters, 6);
});

test('a shared weight counts once, the costlier branch counts, a loop as often as it runs', () => {
  const branch = (nodes: Node[]) => attr.graph(makeGraph({ inputs: [], outputs: [open('b')], nodes }));
  const cheap = branch([makeNode('Relu', ['x'], ['b'])]);
  const dear = branch([makeNode('MatMul', ['x', 'w'], ['b'])]);
  const body = makeGraph({
    inputs: [open('i'), open('go'), open('v')],
    outputs: [open('on'), open('next')],
    nodes: [makeNode('Identity', ['go'], ['on']), makeNode('MatMul', ['v', 'w'], ['next'])],
  });
  const net = model(
    [value('x', [2, 4]), { name: 'c', type: tensorType('bool', []) }],
    [
      makeNode('If', ['c'], ['a'], { then_branch: cheap, else_branch: dear }),
      makeNode('Loop', ['three', '', 'a'], ['l'], { body: attr.graph(body) }),
      makeNode('MatMul', ['l', 'w'], ['y']),
    ],
    { w: zeros(4, 4), three: Tensor.int64([], [3]) },
  );
  const { total, nodes, unknown } = costOf(net);
  assert.equal(total.macs, 32 + 3 * 32 + 32);
  assert.equal(total.parameters, 16);
  assert.deepEqual(
    nodes.filter(({ op }) => op === 'MatMul').map(({ times }) => times),
    [1, 3, 1],
  );
  assert.deepEqual(unknown, []);
});

test('the body of a function counts, with the weights of the call', () => {
  const fn: FunctionDef = {
    name: 'Dense',
    domain: 'local',
    inputs: ['v', 'weight'],
    outputs: ['out'],
    attributes: [],
    defaults: new Map(),
    nodes: [makeNode('MatMul', ['v', 'weight'], ['p']), makeNode('Relu', ['p'], ['out'])],
    opsets: new Map([['', 17]]),
    values: new Map(),
  };
  const call = (from: string, to: string) => makeNode('Dense', [from, 'w'], [to], {}, { domain: 'local' });
  const net = model([value('x', [2, 4])], [call('x', 'a'), call('a', 'y')], { w: zeros(4, 4) }, [fn]);
  const { total } = costOf(net);
  assert.equal(total.macs, 64);
  assert.equal(total.parameters, 16);
});

test('what cannot be counted is said', () => {
  const net = model(
    [value('x', [2, 4])],
    [makeNode('NonZero', ['x'], ['at']), makeNode('Neg', ['at'], ['y'])],
    {},
  );
  assert.deepEqual(
    costOf(net).unknown.map(({ op, why }) => `${op}: ${why}`),
    ['NonZero: the shape of "at" is not known', 'Neg: the shape of "y" is not known'],
  );
});
