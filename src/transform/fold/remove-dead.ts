import { removeDead } from '../../graph/index.ts';
import { EXACT, rewriting } from '../rewriting.ts';

/** What no output needs goes: nodes, weights, notes about values that are no more. */
export const removeDeadCode = rewriting({
  name: 'remove-dead',
  summary: 'nodes and weights that no output needs go',
  defaults: {},
  error: EXACT,
  rewrite({ graph }, notes) {
    const { nodes, initializers } = removeDead(graph);
    for (const node of nodes) notes.changed(node, 'no output needs it');
    return nodes.length + initializers.length > 0;
  },
});
