import {
  type Attribute,
  attr,
  cloneModel,
  type Graph,
  type Model,
  makeNode,
  type Node,
  namer,
  removeDead,
  renameValue,
  replaceUses,
  sortNodes,
  type Tensor,
} from '../../graph/index.ts';
import { paramTensors, type QParams } from './numbers.ts';
import type { Placement } from './placement.ts';
import type { Site } from './sites.ts';
import {
  biasFloor,
  type QuantizedConstant,
  quantizeBias,
  quantizeOperand,
  quantizeWeight,
} from './weights.ts';

export interface EmitOptions {
  readonly type: 'uint8' | 'int8';
  readonly perChannel: boolean;
  readonly reduceRange: boolean;
  readonly weightBits: 4 | 8;
  readonly weightFit: 'minmax' | 'mse';
}

/** The model with QuantizeLinear and DequantizeLinear nodes at a placement: weights in int8, biases in int32. */
export function emitQdq(
  model: Model,
  placement: Placement,
  params: ReadonlyMap<string, QParams>,
  options: EmitOptions,
): Model {
  const result = cloneModel(model);
  const emitter = new Emitter(result.graph, params, options);
  const at = new Map(model.graph.nodes.map((node, i) => [node, result.graph.nodes[i]!]));
  for (const site of placement.sites) emitter.constants(site, at);
  for (const value of placement.values) emitter.pair(value, placement, at);
  removeDead(result.graph);
  sortNodes(result.graph);
  return result;
}

class Emitter {
  readonly #graph: Graph;
  readonly #name: (stem: string) => string;
  readonly #params: ReadonlyMap<string, QParams>;
  readonly #options: EmitOptions;
  /** Dequantized values of constants already quantized, by what makes them equal. */
  readonly #done = new Map<string, { dequantized: string; constant: QuantizedConstant }>();

  constructor(graph: Graph, params: ReadonlyMap<string, QParams>, options: EmitOptions) {
    this.#graph = graph;
    this.#name = namer(graph);
    this.#params = params;
    this.#options = options;
  }

  /** Weight, bias and constant operands of a site. */
  constants(site: Site, at: ReadonlyMap<Node, Node>): void {
    const node = at.get(site.node)!;
    const input = this.#params.get(site.activations[0]!.value)!;
    for (const { input: slot, value, tensor } of site.constants) {
      const type = this.#options.type;
      node.inputs[slot] = this.#constant(value, `operand:${type}`, () =>
        quantizeOperand(tensor, type),
      ).dequantized;
    }
    const { weight, bias } = site;
    if (weight === undefined) return;
    const axis = this.#options.perChannel ? weight.axis : undefined;
    const channels = axis === undefined ? 1 : weight.tensor.dims[axis]!;
    const floor = bias && biasFloor(bias.tensor, input.scale, channels);
    // A weight that two nodes share is quantized once for both, unless a bias forces a coarser scale on one of them.
    const plain = this.#constant(weight.value, `weight:${axis}`, () => this.#weight(weight.tensor, axis));
    const fits =
      floor === undefined || plain.constant.scale.numbers().every((scale, i) => scale >= floor[i]!);
    const used = fits
      ? plain
      : this.#constant(weight.value, `weight:${axis}:${node.name}:${node.outputs[0]}`, () =>
          this.#weight(weight.tensor, axis, floor),
        );
    node.inputs[weight.input] = used.dequantized;
    if (bias === undefined) return;
    const scales = used.constant.scale.as('float32');
    const row = bias.tensor.reshape([bias.tensor.size]);
    const key = `bias:${input.scale}:${used.dequantized}`;
    const added = this.#constant(bias.value, key, () => quantizeBias(row, input.scale, scales));
    at.get(bias.node)!.inputs[bias.input] = added.dequantized;
  }

  #weight(tensor: Tensor, axis: number | undefined, floor?: Float64Array): QuantizedConstant {
    const { reduceRange: reduce, weightBits: bits, weightFit: fit } = this.#options;
    return quantizeWeight(tensor, { axis, floor, reduce, bits, fit });
  }

  #constant(value: string, key: string, make: () => QuantizedConstant) {
    const whole = `${key}:${value}`;
    let done = this.#done.get(whole);
    if (done === undefined) {
      const constant = make();
      done = { constant, dequantized: addConstant(this.#graph, this.#name, value, constant) };
      this.#done.set(whole, done);
    }
    return done;
  }

  /** One Q and one DQ behind the maker of a value, for all its readers. */
  pair(value: string, { makers, sites }: Placement, at: ReadonlyMap<Node, Node>): void {
    const graph = this.#graph;
    const { scale, zeroPoint } = paramTensors(this.#params.get(value)!);
    const scaleName = this.#name(`${value}_scale`);
    const zeroName = this.#name(`${value}_zero_point`);
    graph.initializers.set(scaleName, scale);
    graph.initializers.set(zeroName, zeroPoint);
    const quantized = this.#name(`${value}_q`);
    const dequantized = this.#name(`${value}_dq`);
    const maker = makers.get(value);
    let source = value;
    let target = dequantized;
    if (maker === undefined) {
      // Made in float: what stays in float reads it as it is.
      for (const site of sites) {
        for (const { input, value: read } of site.activations) {
          if (read === value) at.get(site.node)!.inputs[input] = dequantized;
        }
      }
    } else {
      // The integer kernel takes the place of the maker only if nobody reads what it answers in float.
      replaceUses(graph, value, dequantized);
      if (graph.outputs.some((output) => output.name === value)) {
        source = this.#name(`${value}_raw`);
        renameValue(graph, value, source);
        replaceUses(graph, dequantized, value);
        target = value;
      }
    }
    const q = makeNode(
      'QuantizeLinear',
      [source, scaleName, zeroName],
      [quantized],
      {},
      { name: this.#name(`${value}:Q`) },
    );
    const dq = makeNode(
      'DequantizeLinear',
      [quantized, scaleName, zeroName],
      [target],
      {},
      { name: this.#name(`${value}:DQ`) },
    );
    graph.nodes.push(q, dq);
  }
}

/** Stores a quantized constant with its DequantizeLinear; the name of the dequantized value. */
export function addConstant(
  graph: Graph,
  name: (stem: string) => string,
  stem: string,
  { values, scale, zeroPoint, axis }: QuantizedConstant,
): string {
  const names = [name(`${stem}_q`), name(`${stem}_scale`), name(`${stem}_zero_point`)];
  graph.initializers.set(names[0]!, values);
  graph.initializers.set(names[1]!, scale);
  graph.initializers.set(names[2]!, zeroPoint);
  const dequantized = name(`${stem}_dq`);
  const attributes: Record<string, Attribute> = axis === undefined ? {} : { axis: attr.int(axis) };
  graph.nodes.push(
    makeNode('DequantizeLinear', names, [dequantized], attributes, { name: name(`${stem}:DQ`) }),
  );
  return dequantized;
}
