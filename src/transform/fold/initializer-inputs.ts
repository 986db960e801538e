import { REPACKED, rewriting } from '../rewriting.ts';

/**
 * Old exporters list every weight among the inputs too. A caller could then replace it, so nothing may be folded; nobody
 * does, and each becomes a constant. The inputs that are left are the data.
 */
export const removeInitializerInputs = rewriting({
  name: 'remove-initializer-inputs',
  summary: 'weights that also stand among the inputs become constants',
  defaults: {},
  error: REPACKED,
  rewrite({ graph }) {
    const before = graph.inputs.length;
    graph.inputs = graph.inputs.filter(({ name }) => !graph.initializers.has(name));
    return graph.inputs.length < before;
  },
});
