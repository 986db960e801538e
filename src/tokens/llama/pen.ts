import {
  type Attribute,
  attr,
  type DType,
  type Graph,
  type Model,
  makeGraph,
  makeModel,
  makeNode,
  type Shape,
  Tensor,
  tensorType,
} from '../../graph/index.ts';

/** The opset of what is written: Shape with bounds, ReduceMean with axes as an input. ONNX Runtime fuses its patterns. */
const OPSET = 21;

/** Writes the nodes of a graph one after the other; a node's output has the node's name and '_output_0'. */
export class Pen {
  readonly graph: Graph = makeGraph({ inputs: [], outputs: [], nodes: [] });

  input(name: string, dtype: DType, shape: Shape): string {
    this.graph.inputs.push({ name, type: tensorType(dtype, shape) });
    return name;
  }

  /** Gives a value out under its own name. */
  output(name: string, dtype: DType, shape: Shape): void {
    this.graph.outputs.push({ name, type: tensorType(dtype, shape) });
  }

  /** A weight; the same name again is the same weight. */
  weight(name: string, make: () => Tensor): string {
    if (!this.graph.initializers.has(name)) this.graph.initializers.set(name, make());
    return name;
  }

  float(value: number): string {
    return this.weight(`float.${value}`, () => Tensor.float32([], [value]));
  }

  /** A vector of int64. */
  ints(...values: number[]): string {
    return this.weight(`ints.${values.join('.')}`, () => Tensor.int64([values.length], values));
  }

  /** An int64 scalar. */
  int(value: number): string {
    return this.weight(`int.${value}`, () => Tensor.int64([], [value]));
  }

  /** A node with one output, whose name it gives. `to` names that output. */
  op(
    name: string,
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    to = `${name}_output_0`,
  ): string {
    this.graph.nodes.push(makeNode(op, [...inputs], [to], attributes, { name }));
    return to;
  }

  /** A node with two outputs. */
  pair(
    name: string,
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): readonly [string, string] {
    const outputs: [string, string] = [`${name}_output_0`, `${name}_output_1`];
    this.graph.nodes.push(makeNode(op, [...inputs], outputs, attributes, { name }));
    return outputs;
  }

  reshape(name: string, value: string, shape: string): string {
    return this.op(name, 'Reshape', [value, shape]);
  }

  transpose(name: string, value: string, perm: readonly number[]): string {
    return this.op(name, 'Transpose', [value], { perm: attr.ints(perm) });
  }

  model(name: string, metadata: Readonly<Record<string, string>> = {}): Model {
    this.graph.name = name;
    return makeModel(this.graph, OPSET, { metadata: new Map(Object.entries(metadata)) });
  }
}

/** A matrix [rows, columns] turned, as MatMul wants it on its right. */
export function turned(matrix: Float32Array, rows: number, columns: number): Tensor {
  const to = new Float32Array(matrix.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++)
      to[column * rows + row] = matrix[row * columns + column]!;
  }
  return Tensor.float32([columns, rows], to);
}
