import type { Tensor } from '../graph/index.ts';
import { type OrtSession, openSession, type Port, type Session, type SessionSettings } from '../run/index.ts';
import type { StagedModel } from '../staged/index.ts';

/** The name under which `everyStage` gives what a stage answers for an output of the whole model. */
export function stageOutput(stage: number, output: string): string {
  return `${stage}/${output}`;
}

/**
 * A session that sends every sample through all stages, nobody leaving, and gives what each stage answers for each output of the
 * whole model (`stageOutput`): all that is needed to know what any thresholds would do.
 */
export async function everyStage(
  { stages, inputs, outputs }: StagedModel,
  settings: Partial<SessionSettings> = {},
): Promise<Session> {
  const sessions: OrtSession[] = [];
  const dispose = async () => {
    await Promise.all(sessions.map((session) => session.dispose()));
  };
  try {
    for (const { model } of stages) sessions.push(await openSession(model, settings));
  } catch (cause) {
    await dispose();
    throw cause;
  }
  const ports = stages.flatMap(({ answers }, i) =>
    Object.keys(answers).map((output): Port => {
      const port = outputs.find(({ name }) => name === output)!;
      return { ...port, name: stageOutput(i, output) };
    }),
  );
  return {
    inputs,
    outputs: ports,
    metadata: new Map(),
    dispose,
    async run(feeds, options = {}) {
      const known: Record<string, Tensor> = { ...feeds };
      const given: Record<string, Tensor> = {};
      for (const [i, { answers, carried }] of stages.entries()) {
        const session = sessions[i]!;
        const own = Object.fromEntries(session.inputs.map(({ name }) => [name, known[name]!]));
        const fetched = await session.run(own, { signal: options.signal });
        for (const name of carried) known[name] = fetched[name]!;
        for (const [output, name] of Object.entries(answers)) given[stageOutput(i, output)] = fetched[name]!;
      }
      return given;
    },
  };
}
