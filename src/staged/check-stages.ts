import { fail } from '../base/index.ts';
import type { Port } from '../run/index.ts';
import type { OpenStage } from './open-stage.ts';

interface Whole {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
}

/**
 * Throws STAGES_INVALID where the stages cannot run one after the other: an input that nobody gives, an output that is not answered
 * where samples may leave, a rule without its scores, a last stage with an exit.
 */
export function checkStages(stages: readonly OpenStage[], whole: Whole): void {
  if (stages.length === 0) throw fail('STAGES_INVALID', 'there are no stages');
  if (new Set(stages.map(({ id }) => id)).size < stages.length) {
    throw fail('STAGES_INVALID', 'two stages bear the same id');
  }
  const given = new Set(whole.inputs.map(({ name }) => name));
  for (const [i, stage] of stages.entries()) {
    const refuse = (why: string) => fail('STAGES_INVALID', `stage ${stage.id} ${why}`, { stage: stage.id });
    const { inputs, outputs } = stage.session;
    const made = new Map(outputs.map((port) => [port.name, port]));
    for (const { name } of inputs) {
      if (!given.has(name))
        throw refuse(`reads ${name}, which neither the caller nor an earlier stage gives`);
    }
    for (const name of stage.carried) {
      if (!made.has(name)) throw refuse(`carries ${name}, which it does not make`);
      if (given.has(name)) throw refuse(`carries ${name}, which is there already`);
    }
    for (const name of stage.carried) given.add(name);
    const last = i === stages.length - 1;
    if (last && stage.exit !== undefined)
      throw refuse('is the last and must not have an exit: it answers all that is left');
    checkExit(stage, made, refuse);
    if (!last && stage.exit === undefined) continue;
    for (const { name, dtype } of whole.outputs) {
      const own = stage.answers[name];
      const port = own === undefined ? undefined : made.get(own);
      if (port === undefined) throw refuse(`does not answer output ${name}`);
      if (port.dtype !== dtype) throw refuse(`answers ${name} as ${port.dtype}, not as ${dtype}`);
    }
  }
}

function checkExit(
  { exit }: OpenStage,
  made: ReadonlyMap<string, Port>,
  refuse: (why: string) => Error,
): void {
  if (exit === undefined) return;
  const scores = made.get(exit.scores);
  if (scores === undefined) throw refuse(`decides by ${exit.scores}, which it does not make`);
  if (scores.dtype !== 'float32' && scores.dtype !== 'float64') {
    throw refuse(`decides by ${exit.scores}, which is ${scores.dtype} and not float32 or float64`);
  }
  if (!(exit.temperature > 0) || !Number.isFinite(exit.temperature)) {
    throw refuse(`has a temperature of ${exit.temperature}; it must be above 0`);
  }
  if (Number.isNaN(exit.threshold)) throw refuse('has a threshold that is no number');
}
