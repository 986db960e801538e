import { type Node, subgraphsOf } from '../graph/index.ts';

const RANDOM: ReadonlySet<string> = new Set([
  'RandomNormal',
  'RandomNormalLike',
  'RandomUniform',
  'RandomUniformLike',
  'Multinomial',
  'Bernoulli',
]);

/** False where two runs, or two such nodes, may answer differently. */
export function isDeterministic(node: Node): boolean {
  if (RANDOM.has(node.op)) return false;
  // With a training mode input a Dropout may be told to drop.
  if (node.op === 'Dropout' && (node.inputs[2] ?? '') !== '') return false;
  return subgraphsOf(node).every((graph) => graph.nodes.every(isDeterministic));
}
