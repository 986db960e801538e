import { type Graph, type Node, Tensor } from '../../graph/index.ts';
import type { Types } from '../types.ts';

/** A node that cannot be said in a newer opset. */
export class Unconvertible extends Error {}

/** Where an upgrade rule works: one graph of the model. */
export interface Upgrade {
  readonly graph: Graph;
  readonly types: Types;
  readonly fresh: (stem: string) => string;
  /** A new initializer of integers, [n]; its name. */
  ints(stem: string, values: readonly (number | bigint)[]): string;
  /** A new initializer; its name. */
  weight(stem: string, value: Tensor): string;
  constant(name: string): Tensor | undefined;
}

export function upgradeAt(
  graph: Graph,
  types: Types,
  fresh: (stem: string) => string,
  constant: (name: string) => Tensor | undefined,
): Upgrade {
  const weight = (stem: string, value: Tensor) => {
    const name = fresh(stem);
    graph.initializers.set(name, value);
    return name;
  };
  const ints = (stem: string, values: readonly (number | bigint)[]) =>
    weight(stem, Tensor.int64([values.length], values));
  return { graph, types, fresh, ints, weight, constant };
}

/** What the names of added values start with. */
export const stemOf = (node: Node, part: string) => `${node.name || node.outputs[0]}_${part}`;
