import { fail } from '../base/index.ts';
import type { Session } from '../run/index.ts';
import type { OpenStage } from './open-stage.ts';
import type { ExitRule } from './staged-model.ts';
import { type StagedOptions, type StagedSession, stagedSession } from './staged-session.ts';

/** One model of a cascade, cheap ones first. */
export interface CascadeStep {
  readonly id: string;
  readonly session: Session;
  /** When its answer is good enough. The last step has none. */
  readonly exit?: ExitRule;
  /** Output of the cascade to output of this model, where the names differ. */
  readonly answers?: Readonly<Record<string, string>>;
}

/**
 * A cascade of separate models as one session: the first answers what it is sure of, the next one what is left. Any sessions do, also
 * those of a server. It takes what its models take (of the same name: the same tensor) and answers what the last one answers; it owns
 * the sessions from now on. Throws STAGES_INVALID.
 */
export function cascade(
  steps: readonly CascadeStep[],
  options: Pick<StagedOptions, 'batchAxis' | 'metadata'> = {},
): StagedSession {
  const last = steps.at(-1);
  if (last === undefined) throw fail('STAGES_INVALID', 'a cascade of no models');
  const { outputs } = last.session;
  const inputs = [
    ...new Map(
      steps
        .toReversed()
        .flatMap(({ session }) => session.inputs)
        .map((port) => [port.name, port]),
    ).values(),
  ];
  const stages = steps.map(
    ({ id, session, exit, answers }): OpenStage => ({
      id,
      session,
      exit,
      carried: [],
      answers: Object.fromEntries(outputs.map(({ name }) => [name, answers?.[name] ?? name])),
    }),
  );
  return stagedSession(stages, { ...options, inputs, outputs });
}
