import type { DeclaredError, Pass, PassContext } from '../pass.ts';
import { runPasses } from '../run-passes.ts';
import { type CleanOptions, cleanSteps } from './clean.ts';

/** The whole clean-up as one pass: what every variant begins with. */
export const cleanUp: Pass<CleanOptions> = {
  name: 'clean',
  summary: 'folds constants and normalizations, removes what does nothing, brings the opset up to date',
  defaults: { opset: 13 },
  error: (options): DeclaredError => {
    const bounds = cleanSteps(options)
      .map((step) => step.pass.error(step.options))
      .filter((error) => error.kind === 'bounded');
    // The folds work on different layers: their errors add up.
    const sum = (pick: (error: (typeof bounds)[number]) => number) =>
      bounds.reduce((all, error) => all + pick(error), 0);
    return {
      kind: 'bounded',
      atol: sum(({ atol }) => atol),
      rtol: sum(({ rtol }) => rtol),
      why: 'folded weights are rounded once more',
    };
  },
  async apply(model, options: CleanOptions, context: PassContext) {
    const { opset = 13 } = options;
    const now = model.opsets.get('') ?? 1;
    const steps = cleanSteps({ ...options, opset: Math.max(opset, now) });
    return runPasses(model, steps, context);
  },
};
