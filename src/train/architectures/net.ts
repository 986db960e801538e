import { type Random, VERSION } from '../../base/index.ts';
import {
  type Attribute,
  type Graph,
  type Model,
  makeGraph,
  makeModel,
  makeNode,
  namer,
  sizeOf,
  Tensor,
  tensorType,
  type ValueInfo,
} from '../../graph/index.ts';
import type { Port } from '../../run/index.ts';
import type { Fill } from './init.ts';
import { sampleDims, type Task } from './task.ts';

/** The first opset with LayerNormalization. */
const OPSET = 17;
/** The IR version that came with it. */
const IR_VERSION = 8;
/** The name of the batch dimension. */
const BATCH = 'N';

/**
 * A graph that grows from the inputs of a task. Values and nodes bear the names of layers ('block2.conv1'), weights
 * those of layer and role ('block2.conv1.weight'); where a port of the task bears the name already, it gets a number.
 */
export class Net {
  readonly #graph: Graph;
  readonly #random: Random | null;
  readonly #name: (stem: string) => string;
  readonly #constants = new Map<string, string>();

  /** Without `random` all weights are zero: enough to count what the model costs. */
  constructor(name: string, task: Task, random: Random | null) {
    const port = (one: Port): ValueInfo => ({
      name: one.name,
      type: tensorType(one.dtype, [BATCH, ...sampleDims(one)]),
    });
    this.#graph = makeGraph({
      name,
      inputs: task.inputs.map(port),
      outputs: task.outputs.map(port),
      nodes: [],
    });
    this.#random = random;
    this.#name = namer(this.#graph);
  }

  /** Adds a node and returns the name of its value: that of the node, unless `output` says another. */
  op(
    op: string,
    name: string,
    inputs: string[],
    attributes: Record<string, Attribute> = {},
    output?: string,
  ): string {
    const own = this.#name(name);
    this.#graph.nodes.push(makeNode(op, inputs, [output ?? own], attributes, { name: own }));
    return output ?? own;
  }

  /** Adds a float32 weight and returns its name. */
  weight(name: string, dims: readonly number[], fill: Fill): string {
    const own = this.#name(name);
    const size = sizeOf(dims);
    const values = this.#random === null ? new Float32Array(size) : fill(size, this.#random);
    this.#graph.initializers.set(own, Tensor.float32(dims, values));
    return own;
  }

  /** A number that is not trained; equal ones under one name are one. */
  scalar(name: string, value: number): string {
    return this.#constant(name, Tensor.float32([], [value]));
  }

  /** A vector of int64 (a shape, axes, indices); equal ones under one name are one. */
  ints(name: string, values: readonly number[]): string {
    return this.#constant(name, Tensor.int64([values.length], values));
  }

  #constant(name: string, tensor: Tensor): string {
    const key = `${name}:${tensor.numbers()}`;
    const before = this.#constants.get(key);
    if (before !== undefined) return before;
    const own = this.#name(name);
    this.#graph.initializers.set(own, tensor);
    this.#constants.set(key, own);
    return own;
  }

  /** The model, with what it was made of in its metadata. */
  model(options: object): Model {
    return makeModel(this.#graph, OPSET, {
      irVersion: IR_VERSION,
      producer: { name: 'modicum', version: VERSION },
      metadata: new Map([
        ['architecture', this.#graph.name],
        ['architecture.options', JSON.stringify(options)],
      ]),
    });
  }
}
