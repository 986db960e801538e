import type { Attribute, Graph, Node } from './model.ts';
import type { GraphIndex } from './scope.ts';
import { Tensor } from './tensor.ts';

/**
 * The value that `name` always has: that of an initializer or of a Constant node of this graph. Undefined for anything
 * else, and for an initializer that is also an input: it is a default, which the caller may replace. (Files before IR
 * version 4 list every weight so; the reader takes that away, see decodeModel.) `index` spares a walk over the nodes.
 */
export function constantOf(graph: Graph, name: string, index?: GraphIndex): Tensor | undefined {
  if (name === '') return undefined;
  const weight = graph.initializers.get(name);
  if (weight !== undefined) return graph.inputs.some((input) => input.name === name) ? undefined : weight;
  const maker =
    index === undefined
      ? graph.nodes.find((node) => node.op === 'Constant' && node.outputs[0] === name)
      : index.producers.get(name);
  return maker === undefined ? undefined : valueOfConstant(maker);
}

export function isConstant(graph: Graph, name: string, index?: GraphIndex): boolean {
  return constantOf(graph, name, index) !== undefined;
}

/** The value of a Constant node (dense ones; a sparse value gives undefined, as does any other op). */
export function valueOfConstant(node: Node): Tensor | undefined {
  if (node.op !== 'Constant' || node.domain !== '') return undefined;
  for (const [name, attribute] of node.attributes) {
    const value = toTensor(name, attribute);
    if (value !== undefined) return value;
  }
  return undefined;
}

function toTensor(name: string, attribute: Attribute): Tensor | undefined {
  switch (attribute.type) {
    case 'tensor':
      return name === 'value' ? attribute.value : undefined;
    case 'float':
      return Tensor.float32([], [attribute.value]);
    case 'floats':
      return Tensor.float32([attribute.value.length], attribute.value);
    case 'int':
      return Tensor.int64([], [attribute.value]);
    case 'ints':
      return Tensor.int64([attribute.value.length], attribute.value);
    case 'string':
      return Tensor.ofStrings([], [textOf(attribute.value)]);
    case 'strings':
      return Tensor.ofStrings([attribute.value.length], attribute.value.map(textOf));
    default:
      return undefined;
  }
}

const textOf = (value: string | Uint8Array) =>
  typeof value === 'string' ? value : new TextDecoder().decode(value);
