import { type Node, opKey, specOf } from '../../../graph/index.ts';
import type { PruneRule } from '../rule.ts';
import { CONTRACT } from './contract.ts';
import { ELEMENTWISE, UNARY } from './elementwise.ts';
import { JOINS } from './join.ts';
import { NORMS } from './normalize.ts';
import { CELLS } from './recurrent.ts';
import { REDUCTIONS } from './reduce.ts';
import { RESHAPES } from './reshape.ts';
import { SPATIAL } from './spatial.ts';

/** What pruning knows of ops that are not elementwise. An op without a row keeps the sizes of all that it reads. */
export const PRUNE_RULES: Readonly<Record<string, PruneRule>> = {
  ...CONTRACT,
  ...JOINS,
  ...NORMS,
  ...CELLS,
  ...REDUCTIONS,
  ...RESHAPES,
  ...SPATIAL,
  Cast: UNARY,
  CastLike: UNARY,
  Dropout: UNARY,
  Identity: UNARY,
};

/** The rule of a node's op, if there is one. */
export function pruneRuleOf(node: Node): PruneRule | undefined {
  const row = PRUNE_RULES[opKey(node)];
  if (row !== undefined) return row;
  const traits = specOf(node)?.traits;
  if (traits?.elementwise !== true || traits.quantized || traits.random) return undefined;
  // Elementwise ops of other domains may broadcast by rules of their own.
  return node.domain === '' || node.domain === 'com.microsoft' ? ELEMENTWISE : undefined;
}
