import { floatOf, type Node, type OpName, opKey, topologicalOrder } from '../../graph/index.ts';
import type { Composer } from '../composer.ts';
import { ATTENTION } from './attention.ts';
import type { Expansion } from './expansion.ts';
import { NORMS } from './norms.ts';
import { RECURRENT } from './recurrent.ts';

/** Operators that are written in plain ones before they are differentiated; the plain ones have rows in GRADIENTS. */
export const EXPANSIONS = {
  ...RECURRENT,
  ...ATTENTION,
  ...NORMS,
  // x sigmoid(alpha x); the operator is younger than the opset that is trained.
  Swish: (node, to) => {
    const alpha = floatOf(node, 'alpha', 1);
    const x = node.inputs[0]!;
    const inner = alpha === 1 ? x : to.op('Mul', [x, to.float(alpha)]);
    return [to.op('Mul', [x, to.op('Sigmoid', [inner])])];
  },
} as const satisfies Partial<Record<OpName, Expansion>>;

const BY_KEY = new Map<string, Expansion>(Object.entries(EXPANSIONS));

/** The expansion of a node's operator, or undefined. */
export function expansionOf(node: Pick<Node, 'domain' | 'op'>): Expansion | undefined {
  return BY_KEY.get(opKey(node));
}

/**
 * Writes those nodes of the composer's graph that have an expansion, and that `wanted` names, in plain operators, in their
 * place; values keep their names. Returns how many. Throws TRAIN_NO_GRADIENT for a form of an operator that is not expanded,
 * TRAIN_SHAPE_UNKNOWN.
 */
export function expandNodes(to: Composer, wanted: (node: Node) => boolean = () => true): number {
  const { graph } = to.model;
  const written: Node[] = [];
  let count = 0;
  to.into(written);
  try {
    for (const node of topologicalOrder(graph)) {
      const expansion = wanted(node) ? expansionOf(node) : undefined;
      if (expansion === undefined) {
        written.push(node);
        continue;
      }
      count++;
      const values = expansion(node, to);
      for (const [i, name] of node.outputs.entries()) {
        // An output that an expansion does not make stays unmade: the runtime says so if somebody reads it.
        if (name === '' || (values[i] ?? '') === '') continue;
        to.alias(values[i]!, name);
      }
    }
  } finally {
    to.into(graph.nodes);
  }
  graph.nodes.splice(0, graph.nodes.length, ...written);
  return count;
}
