import { fail, ModicumError, messageOf } from '../base/index.ts';
import { assertValid, type Model } from '../graph/index.ts';
import type { DeclaredError, Pass, PassContext, PassNote } from './pass.ts';

/** A pass and the options it runs with. */
export interface Step<Options extends object = object> {
  readonly pass: Pass<Options>;
  readonly options: Options;
}

/** A pass with its defaults, or with some of them replaced. */
export function step<Options extends object>(pass: Pass<Options>, options: Partial<Options> = {}): Step {
  // The options are checked here against this pass; from here on a step is only run as a whole.
  const bound: Pass = {
    name: pass.name,
    summary: pass.summary,
    defaults: pass.defaults,
    error: () => pass.error({ ...pass.defaults, ...options }),
    apply: (model, _, context) => pass.apply(model, { ...pass.defaults, ...options }, context),
  };
  return { pass: bound, options };
}

/** A note, and the pass it comes from. */
export interface StepNote extends PassNote {
  readonly pass: string;
}

export interface PassesResult {
  readonly model: Model;
  readonly modified: boolean;
  readonly notes: readonly StepNote[];
  /** The passes that changed something, in order, with the error each declares. */
  readonly changes: readonly { readonly pass: string; readonly error: DeclaredError }[];
}

/**
 * Runs passes in order and checks the rules of ONNX after each that changed something. The input is left alone. Throws
 * PASS_FAILED, naming the pass, the passes already run and the cause; a cancellation passes through as it is.
 */
export async function runPasses(
  model: Model,
  steps: readonly Step[],
  context: PassContext,
): Promise<PassesResult> {
  const notes: StepNote[] = [];
  const changes: { pass: string; error: DeclaredError }[] = [];
  const stage = context.progress.stage('Passes', steps.length);
  let current = model;
  const done: string[] = [];
  try {
    for (const { pass, options } of steps) {
      context.signal?.throwIfAborted();
      try {
        const result = await pass.apply(current, options, context);
        if (result.modified) {
          assertValid(result.model);
          changes.push({ pass: pass.name, error: pass.error(options) });
        }
        current = result.model;
        for (const note of result.notes) notes.push({ ...note, pass: pass.name });
      } catch (cause) {
        if (context.signal?.aborted) throw cause;
        const before = done.length > 0 ? `after ${done.join(', ')}` : 'as the first';
        const hint = cause instanceof ModicumError ? cause.hint : undefined;
        const why = `${pass.name} (${before}): ${messageOf(cause)}`;
        throw fail(
          'PASS_FAILED',
          why,
          { pass: pass.name, done: [...done], ...(hint ? { hint } : {}) },
          cause,
        );
      }
      done.push(pass.name);
      stage.advance(1, pass.name);
    }
  } finally {
    stage.end();
  }
  return { model: current, modified: changes.length > 0, notes, changes };
}
