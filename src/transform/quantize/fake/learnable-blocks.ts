import {
  attr,
  cloneModel,
  constantOf,
  type Graph,
  intOf,
  type Model,
  makeNode,
  type Node,
  namer,
  removeDead,
  sortNodes,
  Tensor,
} from '../../../graph/index.ts';
import { packNibbles, roundHalfEven, unpackNibbles } from '../numbers.ts';
import { defineFakeQuantize, fakeQuantizeNode } from './fake-quantize.ts';
import { exponentials, type Learnable, type LearnableOptions, logarithms } from './learnable.ts';

interface LearnedBlocks {
  /** Initializers of the view: weights [n, blocks, size] (undefined where the integers stay), logarithms of scales [n, blocks, 1]. */
  readonly weight: string | undefined;
  readonly log: string;
  /** Initializers of the quantized model. */
  readonly packed: string;
  readonly scales: string;
  /** The sign of each scale, which stays. */
  readonly signs: Float32Array;
  readonly bits: number;
}

/**
 * Makes a model of weight-only quantization trainable: each MatMulNBits without zero points becomes a MatMul of rounded weights,
 * one scale a block. What the kernel rounds of the activations on the fly is not played. `float` is the model it was
 * made from, with the same node names.
 */
export function learnableBlocks(
  quantized: Model,
  float: Model,
  { learned, rounded = false }: LearnableOptions,
): Learnable {
  const view = cloneModel(quantized);
  const { graph } = view;
  const name = namer(graph);
  const blocks: LearnedBlocks[] = [];
  const shared = new Map<string, string>();
  graph.nodes = graph.nodes.flatMap((node) => {
    if (node.op !== 'MatMulNBits' || node.domain !== 'com.microsoft' || node.inputs[3]) return [node];
    return product(graph, node, float, name, blocks, shared, rounded) ?? [node];
  });
  defineFakeQuantize(view);
  removeDead(graph);
  sortNodes(graph);
  const inner = blocks.flatMap(({ weight, log }) => (weight === undefined ? [log] : [weight, log]));
  const rest = learned(view).filter(
    (other) => !inner.includes(other) && quantized.graph.initializers.has(other),
  );
  return {
    model: view,
    weights: [...inner, ...rest],
    quantized(values, into = quantized) {
      const model = cloneModel(into);
      const { initializers } = model.graph;
      const value = (of: string) => values.get(of) ?? graph.initializers.get(of)!;
      for (const other of rest) if (initializers.has(other)) initializers.set(other, value(other));
      for (const one of blocks) {
        const scales = exponentials(value(one.log).as('float32')).map((scale, i) => scale * one.signs[i]!);
        initializers.set(one.scales, Tensor.float32(initializers.get(one.scales)!.dims, scales));
        if (one.weight === undefined) continue;
        const packed = packBlocks(value(one.weight), scales, one.bits);
        initializers.set(one.packed, Tensor.of('uint8', initializers.get(one.packed)!.dims, packed));
      }
      return model;
    },
  };
}

/** The nodes that take the place of a MatMulNBits; undefined where its weights are not at hand. */
function product(
  graph: Graph,
  node: Node,
  float: Model,
  name: (stem: string) => string,
  blocks: LearnedBlocks[],
  shared: Map<string, string>,
  rounded: boolean,
): Node[] | undefined {
  const [x = '', packed = '', scales = ''] = node.inputs;
  const [k, n, bits, size] = ['K', 'N', 'bits', 'block_size'].map((key) => intOf(node, key, 0)) as [
    number,
    number,
    number,
    number,
  ];
  const nodes: Node[] = [];
  const add = (op: string, inputs: string[], output = name(`${node.name}:${op}`)) => {
    nodes.push(makeNode(op, inputs, [output], {}, { name: name(`${output}:node`) }));
    return output;
  };
  const put = (stem: string, tensor: Tensor) => {
    const fresh = name(stem);
    graph.initializers.set(fresh, tensor);
    return fresh;
  };
  let matrix = shared.get(packed);
  if (matrix === undefined) {
    const stored = constantOf(graph, scales);
    const codes = constantOf(graph, packed);
    const before = original(float, node, k, n);
    if (stored === undefined || codes === undefined || before === undefined) return undefined;
    const count = Math.ceil(k / size);
    const held = stored.as('float32');
    const signs = held.map((scale) => (scale < 0 ? -1 : 1));
    const log = put(`${scales}_log`, Tensor.float32([n, count, 1], logarithms(held)));
    const sizes = add('Exp', [log]);
    const scale = signs.includes(-1)
      ? add('Mul', [sizes, put(`${scales}_signs`, Tensor.float32([n, count, 1], signs))])
      : sizes;
    const half = 2 ** (bits - 1);
    let weight: string | undefined;
    let real: string;
    if (rounded) {
      const whole = unpackBlocks(codes, bits, half);
      real = add('Mul', [put(`${packed}_whole`, Tensor.float32([n, count, size], whole)), scale]);
    } else {
      weight = put(`${packed}_real`, blocked(before.tensor, before.transposed, k, n, size));
      const ends = [-half, half - 1].map((end) => put('end', Tensor.float32([], [end]))) as [string, string];
      real = name(`${node.name}:rounded`);
      nodes.push(fakeQuantizeNode([weight, scale, ...ends], real, name(`${node.name}:fake`)));
    }
    const flat = add('Reshape', [real, put('rows', Tensor.int64([2], [n, count * size]))]);
    const bounds = [[0], [k], [1]].map((values) => put('cut', Tensor.int64([1], values)));
    const cut = count * size === k ? flat : add('Slice', [flat, ...bounds]);
    matrix = name(`${node.name}:matrix`);
    nodes.push(
      makeNode('Transpose', [cut], [matrix], { perm: attr.ints([1, 0]) }, { name: `${matrix}:node` }),
    );
    shared.set(packed, matrix);
    blocks.push({ weight, log, packed, scales, signs, bits });
  }
  const bias = node.inputs[5];
  const result = node.outputs[0]!;
  const raw = bias ? name(`${result}_raw`) : result;
  nodes.push(makeNode('MatMul', [x, matrix], [raw], {}, { name: node.name }));
  if (bias) add('Add', [raw, bias], result);
  return nodes;
}

/** The matrix that the node multiplied with before it was quantized. */
function original(
  float: Model,
  { name }: Node,
  k: number,
  n: number,
): { tensor: Tensor; transposed: boolean } | undefined {
  const node = float.graph.nodes.find(
    (other) => other.name === name && (other.op === 'MatMul' || other.op === 'Gemm'),
  );
  const tensor = node && constantOf(float.graph, node.inputs[1] ?? '');
  if (node === undefined || tensor?.dtype !== 'float32') return undefined;
  const transposed = node.op === 'Gemm' && intOf(node, 'transB', 0) !== 0;
  return String(tensor.dims) === String(transposed ? [n, k] : [k, n]) ? { tensor, transposed } : undefined;
}

/** [k, n] (or [n, k]) as [n, blocks, size], filled up with zeros. */
function blocked(weight: Tensor, transposed: boolean, k: number, n: number, size: number): Tensor {
  const values = weight.as('float32');
  const count = Math.ceil(k / size);
  const into = new Float32Array(n * count * size);
  for (let column = 0; column < n; column++) {
    for (let row = 0; row < k; row++) {
      into[column * count * size + row] = values[transposed ? column * k + row : row * n + column]!;
    }
  }
  return Tensor.float32([n, count, size], into);
}

/** The signed numbers of a packed weight. */
function unpackBlocks(packed: Tensor, bits: number, half: number): Float32Array {
  const bytes = packed.as('uint8');
  const codes = bits === 8 ? bytes : Uint8Array.from(unpackNibbles(bytes, 2 * bytes.length));
  return Float32Array.from(codes, (code) => code - half);
}

/** The numbers of MatMulNBits: unsigned, half of their range above the signed ones, low bits first. */
function packBlocks(weight: Tensor, scales: Float32Array, bits: number): Uint8Array {
  const values = weight.as('float32');
  const size = weight.dims[2]!;
  const half = 2 ** (bits - 1);
  const codes = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const whole = roundHalfEven(Math.fround(values[i]! / scales[Math.floor(i / size)]!));
    codes[i] = Math.min(half - 1, Math.max(-half, whole)) + half;
  }
  return bits === 8 ? codes : packNibbles(codes);
}
