import {
  attr,
  type DType,
  type Model,
  makeGraph,
  makeModel,
  makeNode,
  type Shape,
  Tensor,
  tensorType,
  type ValueInfo,
} from '../src/graph/index.ts';

/** Small real models that several rooms' tests run. */
export const value = (name: string, dtype: DType, shape: Shape): ValueInfo => ({
  name,
  type: tensorType(dtype, shape),
});

/** y = x, of one dtype. */
export function identityModel(dtype: DType, shape: Shape): Model {
  return makeModel(
    makeGraph({
      inputs: [value('x', dtype, shape)],
      outputs: [value('y', dtype, shape)],
      nodes: [makeNode('Identity', ['x'], ['y'])],
    }),
  );
}

/** y = x + w and z = -x, x float32 ['n', w.length]. */
export function addModel(w: readonly number[]): Model {
  return makeModel(
    makeGraph({
      inputs: [value('x', 'float32', ['n', w.length])],
      outputs: [value('y', 'float32', ['n', w.length]), value('z', 'float32', ['n', w.length])],
      nodes: [makeNode('Add', ['x', 'w'], ['y'], {}, { name: 'add' }), makeNode('Neg', ['x'], ['z'])],
      initializers: new Map([['w', Tensor.float32([w.length], w)]]),
    }),
    17,
    { metadata: new Map([['author', 'a test']]) },
  );
}

/** Counts to `n` (an int64 scalar input) one by one in a Loop: as slow as one likes. Output `count`, float32. */
export function countingModel(): Model {
  const body = makeGraph({
    name: 'body',
    inputs: [value('i', 'int64', []), value('go', 'bool', []), value('before', 'float32', [])],
    outputs: [value('goOn', 'bool', []), value('after', 'float32', [])],
    nodes: [makeNode('Identity', ['go'], ['goOn']), makeNode('Add', ['before', 'one'], ['after'])],
  });
  return makeModel(
    makeGraph({
      inputs: [value('n', 'int64', [])],
      outputs: [value('count', 'float32', [])],
      nodes: [
        makeNode('Loop', ['n', '', 'zero'], ['count'], { body: attr.graph(body) }, { name: 'counting' }),
      ],
      initializers: new Map([
        ['zero', Tensor.float32([], [0])],
        ['one', Tensor.float32([], [1])],
      ]),
    }),
    17,
  );
}

/** What countingModel wants. */
export const countTo = (n: number): { n: Tensor } => ({ n: Tensor.int64([], [n]) });

/** Reshapes x (float32 [n, 4]) to s (int64 [2]); shapes that do not fit fail while running. */
export function reshapeModel(): Model {
  return makeModel(
    makeGraph({
      inputs: [value('x', 'float32', ['n', 4]), value('s', 'int64', [2])],
      outputs: [value('y', 'float32', [null, null])],
      nodes: [makeNode('Reshape', ['x', 's'], ['y'], {}, { name: 'reshaper' })],
    }),
    17,
  );
}

/** Two convolutions with Relu between them, x float32 [1, 3, 16, 16]. */
export function convModel(): Model {
  const weights = (n: number) => Float32Array.from({ length: n }, (_, i) => Math.sin(i * 12.9898) / 8);
  const pads = attr.ints([1, 1, 1, 1]);
  return makeModel(
    makeGraph({
      inputs: [value('x', 'float32', [1, 3, 16, 16])],
      outputs: [value('y', 'float32', [1, 8, 16, 16])],
      nodes: [
        makeNode('Conv', ['x', 'w1', 'b1'], ['a'], { pads }, { name: 'conv1' }),
        makeNode('Relu', ['a'], ['r'], {}, { name: 'relu1' }),
        makeNode('Conv', ['r', 'w2'], ['y'], { pads }, { name: 'conv2' }),
      ],
      initializers: new Map([
        ['w1', Tensor.float32([8, 3, 3, 3], weights(216))],
        ['b1', Tensor.float32([8], weights(8))],
        ['w2', Tensor.float32([8, 8, 3, 3], weights(576))],
      ]),
    }),
    17,
  );
}

/** A running sum: y = total = x + sum, x float32 ['n', 2]. */
export function sumModel(metadata = new Map<string, string>()): Model {
  const shape = ['n', 2];
  return makeModel(
    makeGraph({
      inputs: [value('x', 'float32', shape), value('sum', 'float32', shape)],
      outputs: [value('y', 'float32', shape), value('total', 'float32', shape)],
      nodes: [makeNode('Add', ['x', 'sum'], ['total']), makeNode('Neg', ['total'], ['y'])],
    }),
    17,
    { metadata },
  );
}
