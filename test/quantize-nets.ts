import { Random } from '../src/base/index.ts';
import { type Dataset, inMemory } from '../src/data/index.ts';
import {
  type Attribute,
  attr,
  type Dim,
  type Model,
  makeGraph,
  makeModel,
  makeNode,
  type Node,
  Tensor,
  tensorType,
} from '../src/graph/index.ts';

/** Seeded normal numbers. */
export function normals(random: Random, dims: readonly number[], spread = 1, mean = 0): Tensor {
  const size = dims.reduce((product, dim) => product * dim, 1);
  return Tensor.float32(
    dims,
    Float32Array.from({ length: size }, () => random.normal() * spread + mean),
  );
}

/** Builds small nets for tests: each verb adds a node named after its op and returns the name of its value. */
export class Net {
  readonly random: Random;
  readonly nodes: Node[] = [];
  readonly weights = new Map<string, Tensor>();
  #count = 0;

  constructor(seed = 1) {
    this.random = new Random(seed);
  }

  weight(dims: readonly number[], spread = 1, mean = 0): string {
    return this.constant(normals(this.random, dims, spread, mean));
  }

  constant(tensor: Tensor): string {
    const name = `w${this.#count++}`;
    this.weights.set(name, tensor);
    return name;
  }

  op(op: string, inputs: string[], attributes: Record<string, Attribute> = {}, outputs?: string[]): string {
    const name = `${op}_${this.#count++}`;
    const made = outputs ?? [`${name}_out`];
    this.nodes.push(makeNode(op, inputs, made, attributes, { name }));
    return made[0]!;
  }

  conv(x: string, from: number, to: number, size = 3, group = 1, bias = true): string {
    const spread = Math.sqrt(2 / ((from / group) * size * size));
    const inputs = [x, this.weight([to, from / group, size, size], spread)];
    if (bias) inputs.push(this.weight([to], 0.1));
    const pad = size >> 1;
    return this.op('Conv', inputs, { group: attr.int(group), pads: attr.ints([pad, pad, pad, pad]) });
  }

  gemm(x: string, from: number, to: number, transposed = false, bias = true): string {
    const inputs = [x, this.weight(transposed ? [to, from] : [from, to], Math.sqrt(2 / from))];
    if (bias) inputs.push(this.weight([to], 0.1));
    return this.op('Gemm', inputs, { transB: attr.int(transposed ? 1 : 0) });
  }

  matmul(x: string, from: number, to: number): string {
    return this.op('MatMul', [x, this.weight([from, to], Math.sqrt(2 / from))]);
  }

  relu(x: string): string {
    return this.op('Relu', [x]);
  }

  /** The model from input `x` of this shape to the given values. */
  model(shape: readonly Dim[], outputs: readonly string[], opset = 17): Model {
    return makeModel(
      makeGraph({
        inputs: [{ name: 'x', type: tensorType('float32', shape) }],
        outputs: outputs.map((name) => ({ name, type: tensorType('float32', undefined) })),
        nodes: this.nodes,
        initializers: this.weights,
      }),
      opset,
      { irVersion: 8 },
    );
  }
}

/** `samples` normal samples for input x. */
export function normalData(dims: readonly number[], samples = 16, seed = 7): Dataset {
  return inMemory({ x: normals(new Random(seed), [samples, ...dims]) });
}

/** Convolutions with every fusing neighbour: residual Add, pooling, depthwise, Concat, a head. Input [N, 3, 16, 16]. */
export function convNet(seed = 1, depthwise = true): Model {
  const net = new Net(seed);
  const a = net.relu(net.conv('x', 3, 16));
  const b = net.op('MaxPool', [a], { kernel_shape: attr.ints([2, 2]), strides: attr.ints([2, 2]) });
  const c = net.relu(net.conv(b, 16, 16, 3, depthwise ? 16 : 1));
  const d = net.conv(c, 16, 16, 1);
  const e = net.relu(net.op('Add', [d, b]));
  const f = net.op('Concat', [e, net.relu(net.conv(e, 16, 8))], { axis: attr.int(1) });
  const g = net.relu(net.conv(f, 24, 16, 3, 1, false));
  const h = net.op('Flatten', [net.op('GlobalAveragePool', [g])]);
  return net.model(['N', 3, 16, 16], [net.gemm(h, 16, 10, true)]);
}

/** Three layers on [N, 32]; the first is MatMul and Add. */
export function mlp(seed = 1): Model {
  const net = new Net(seed);
  const a = net.relu(net.op('Add', [net.matmul('x', 32, 64), net.weight([64], 0.1)]));
  const b = net.relu(net.gemm(a, 64, 64));
  return net.model(['N', 32], [net.gemm(b, 64, 10, true)]);
}

/** Signal to quantization noise of `got` against `wanted`, in decibel. */
export function sqnr(wanted: Tensor, got: Tensor): number {
  const a = wanted.as('float32');
  const b = got.as('float32');
  let signal = 0;
  let noise = 0;
  for (let i = 0; i < a.length; i++) {
    signal += a[i]! ** 2;
    noise += (a[i]! - b[i]!) ** 2;
  }
  return 10 * Math.log10(signal / noise);
}
