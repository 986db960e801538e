import { fail } from '../../base/index.ts';
import { type Node, topologicalOrder } from '../../graph/index.ts';
import type { Composer } from '../composer.ts';
import { batchNormalization } from './batch-normalization.ts';
import { fakeQuantize } from './fake-quantize.ts';
import { MACRO_DOMAIN, type Macro } from './macro.ts';

/** Every macro by name: a new one is a file, its test and a line here. */
export const MACROS = {
  BatchNormalization: batchNormalization,
  FakeQuantize: fakeQuantize,
} as const satisfies Record<string, Macro>;

export type MacroName = keyof typeof MACROS;

/** The macro of a node, or undefined for any other node. */
export function macroOf(node: Pick<Node, 'domain' | 'op'>): Macro | undefined {
  if (node.domain !== MACRO_DOMAIN) return undefined;
  if (Object.hasOwn(MACROS, node.op)) return MACROS[node.op as MacroName];
  throw fail('INTERNAL', `no macro ${node.op}`);
}

/** Writes every macro of the composer's graph in plain operators, in its place; values keep their names. */
export function lowerMacros(to: Composer): void {
  const { graph } = to.model;
  const written: Node[] = [];
  to.into(written);
  for (const node of topologicalOrder(graph)) {
    const macro = macroOf(node);
    if (macro === undefined) {
      written.push(node);
      continue;
    }
    const values = macro.lower(node, to);
    for (const [i, name] of node.outputs.entries()) {
      if (name !== '') to.alias(values[i]!, name);
    }
  }
  graph.nodes.splice(0, graph.nodes.length, ...written);
  to.into(graph.nodes);
}
