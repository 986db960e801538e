import {
  constantOf,
  indexGraph,
  insertBefore,
  type Model,
  makeNode,
  type Node,
  namer,
  Tensor,
} from '../../graph/index.ts';
import { typesOf } from '../types.ts';
import { type Absorber, absorberOf, divided } from './absorb.ts';
import { type LinearLayer, linearLayers } from './linear-layers.ts';

/** Layers that read one value: its channels can be divided by factors where it is made, and their weights multiplied. */
export interface ChannelGroup {
  readonly value: string;
  readonly channels: number;
  /** MatMul and Gemm of the main graph. */
  readonly layers: readonly LinearLayer[];
  /** What takes the division; the reason where nothing can and it would have to be a Mul of its own. */
  readonly absorber: Absorber | string;
}

/** The groups of a model in graph order, of the layers that `chosen` takes. Node names must be unique. */
export function channelGroups(model: Model, least: number, chosen: (node: Node) => boolean): ChannelGroup[] {
  const { graph } = model;
  const index = indexGraph(graph);
  const types = typesOf(model);
  const groups = new Map<string, LinearLayer[]>();
  for (const layer of linearLayers(model, least)) {
    if (!chosen(layer.node)) continue;
    groups.set(layer.input, [...(groups.get(layer.input) ?? []), layer]);
  }
  return [...groups].map(([value, layers]) => {
    const channels = layers[0]!.k;
    const own = new Set(layers.map(({ node }) => node));
    const readers = index.consumers.get(value) ?? [];
    const others = readers.filter((node) => !own.has(node));
    const twice = layers.some(({ node }) => node.inputs.filter((input) => input === value).length > 1);
    const absorber =
      others.length > 0 || twice
        ? `${others[0]?.op ?? 'a layer'} reads the value as well`
        : absorberOf(graph, index, types, value, channels);
    return { value, channels, layers, absorber };
  });
}

/** The weight of a layer as it is now, as [K, N]: element (row, column) lies at row * rowStep + column * columnStep. */
export function weightNow(model: Model, { node, transposed, k, n }: LinearLayer) {
  const values = constantOf(model.graph, node.inputs[1]!)!.as('float32');
  return transposed ? { values, rowStep: 1, columnStep: k } : { values, rowStep: n, columnStep: 1 };
}

/**
 * Divides the channels of the group's value by the factors and multiplies the weights that read it, in place; the model answers the
 * same. Where nothing absorbs the division a Mul is written before the layers. Constants get new names: others that
 * read the old ones see nothing.
 */
export function applyFactors(model: Model, group: ChannelGroup, factors: readonly number[]): void {
  const { graph } = model;
  const name = namer(graph);
  const put = (node: Node, input: number, make: (old: Tensor) => Tensor) => {
    const old = node.inputs[input]!;
    const fresh = name(`${old}_scaled`);
    graph.initializers.set(fresh, make(constantOf(graph, old)!));
    node.inputs[input] = fresh;
  };
  const { absorber, layers, value } = group;
  if (typeof absorber !== 'string') {
    for (const { node, input, axis } of absorber.edits)
      put(node, input, (old) => divided(old, axis, factors));
  } else {
    const row = name(`${value}_factors`);
    const scaled = name(`${value}_scaled`);
    graph.initializers.set(
      row,
      Tensor.float32(
        [factors.length],
        factors.map((factor) => 1 / factor),
      ),
    );
    const mul = makeNode('Mul', [value, row], [scaled], {}, { name: name(`${value}:factors`) });
    const own = new Set(layers.map(({ node }) => node));
    insertBefore(graph, graph.nodes.find((node) => own.has(node))!, mul);
    for (const { node } of layers) node.inputs[0] = scaled;
  }
  const inverse = factors.map((factor) => 1 / factor);
  for (const { node, transposed } of layers) {
    put(node, 1, (old) => divided(old, transposed ? 'last' : 'first', inverse));
  }
}

/** Channels divided by which factors, and where, for a note. */
export function factorsInWords({ absorber }: ChannelGroup, factors: readonly number[]): string {
  const [least, most] = [Math.min(...factors), Math.max(...factors)].map((factor) =>
    Number(factor.toPrecision(3)),
  );
  const where = typeof absorber === 'string' ? 'a Mul of its own' : absorber.node.name;
  return `channels of its input divided by ${least} to ${most} in ${where}`;
}
