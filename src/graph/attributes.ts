import { fail } from '../base/index.ts';
import type { Attribute, Graph, Node } from './model.ts';
import type { Tensor } from './tensor.ts';

type Kind = Attribute['type'];
type ValueOf<K extends Kind> = { [A in Attribute as A['type']]: A['value'] }[K];

function get<K extends Kind>(node: Node, name: string, kind: K): ValueOf<K> | undefined {
  const attribute = node.attributes.get(name);
  if (attribute === undefined) return undefined;
  if (attribute.type !== kind) {
    throw fail('MODEL_INVALID', `attribute ${name} of ${node.op} is ${attribute.type}, not ${kind}`);
  }
  return attribute.value as ValueOf<K>;
}

/** An int attribute, or its default where absent. */
export function intOf(node: Node, name: string, absent: number): number;
export function intOf(node: Node, name: string): number | undefined;
export function intOf(node: Node, name: string, absent?: number): number | undefined {
  const value = get(node, name, 'int');
  return value === undefined ? absent : Number(value);
}

export function floatOf(node: Node, name: string, absent: number): number;
export function floatOf(node: Node, name: string): number | undefined;
export function floatOf(node: Node, name: string, absent?: number): number | undefined {
  return get(node, name, 'float') ?? absent;
}

export function stringOf(node: Node, name: string, absent: string): string;
export function stringOf(node: Node, name: string): string | undefined;
export function stringOf(node: Node, name: string, absent?: string): string | undefined {
  const value = get(node, name, 'string');
  if (value === undefined) return absent;
  return typeof value === 'string' ? value : new TextDecoder().decode(value);
}

export function intsOf(node: Node, name: string): number[] | undefined {
  return get(node, name, 'ints')?.map(Number);
}

export function floatsOf(node: Node, name: string): readonly number[] | undefined {
  return get(node, name, 'floats');
}

export function tensorOf(node: Node, name: string): Tensor | undefined {
  return get(node, name, 'tensor');
}

export function graphOf(node: Node, name: string): Graph | undefined {
  return get(node, name, 'graph');
}

/** Short makers of attributes. */
export const attr = {
  int: (value: number | bigint): Attribute => ({ type: 'int', value }),
  ints: (value: readonly number[]): Attribute => ({ type: 'ints', value }),
  float: (value: number): Attribute => ({ type: 'float', value }),
  floats: (value: readonly number[]): Attribute => ({ type: 'floats', value }),
  string: (value: string): Attribute => ({ type: 'string', value }),
  tensor: (value: Tensor): Attribute => ({ type: 'tensor', value }),
  graph: (value: Graph): Attribute => ({ type: 'graph', value }),
};

/** The numbers of AttributeProto.AttributeType; `reference` has none of its own. */
export const ATTRIBUTE_TYPE_NUMBERS = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
  tensors: 9,
  graphs: 10,
  sparse_tensor: 11,
  sparse_tensors: 12,
  type_proto: 13,
  type_protos: 14,
} as const satisfies Record<Exclude<Kind, 'reference'>, number>;
