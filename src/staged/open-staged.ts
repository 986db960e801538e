import type { Model } from '../graph/index.ts';
import { openSession, type Session, type SessionSettings } from '../run/index.ts';
import type { Stage, StagedModel } from './staged-model.ts';
import { type StagedOptions, type StagedSession, stagedSession } from './staged-session.ts';

/** A stage whose model is in memory or a file. */
export type StageSource = Omit<Stage, 'model'> & { readonly model: Model | string };

/**
 * Opens every stage with the same settings; all or none. Throws what `openSession` throws, and STAGES_INVALID.
 * One stage computes at a time for a call, so threads are not divided among the stages.
 */
export async function openStaged(
  staged: Omit<StagedModel, 'stages'> & { readonly stages: readonly StageSource[] },
  settings: Partial<SessionSettings> = {},
  options: Omit<StagedOptions, 'inputs' | 'outputs'> = {},
): Promise<StagedSession> {
  const opened = await Promise.allSettled(staged.stages.map(({ model }) => openSession(model, settings)));
  try {
    const sessions = opened.map((one): Session => {
      if (one.status === 'rejected') throw one.reason;
      return one.value;
    });
    const stages = staged.stages.map(({ id, answers, carried, exit }, i) => ({
      id,
      answers,
      carried,
      exit,
      session: sessions[i]!,
    }));
    const { inputs, outputs } = staged;
    return stagedSession(stages, { ...options, inputs, outputs });
  } catch (cause) {
    for (const one of opened) if (one.status === 'fulfilled') await one.value.dispose();
    throw cause;
  }
}
