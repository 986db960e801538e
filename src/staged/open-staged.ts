import type { Model } from '../graph/index.ts';
import { resolveSettings, type SessionSettings } from '../run/index.ts';
import { HostedStages } from './hosted-stages.ts';
import type { Stage, StagedModel } from './staged-model.ts';
import type { StagedOptions, StagedSession } from './staged-session.ts';

/** A stage whose model is in memory or a file. */
export type StageSource = Omit<Stage, 'model'> & { readonly model: Model | string };

/**
 * Opens a staged model: all its stages beside each other in one worker thread, in as many threads as `instances` says. One stage
 * computes at a time for a call, so `threads` are not divided among the stages. Throws what `openSession` throws, and STAGES_INVALID.
 */
export async function openStaged(
  staged: Omit<StagedModel, 'stages'> & { readonly stages: readonly StageSource[] },
  settings: Partial<SessionSettings> = {},
  options: Omit<StagedOptions, 'inputs' | 'outputs'> = {},
): Promise<StagedSession> {
  const { inputs, outputs } = staged;
  const stages = staged.stages.map(({ id, answers, carried, exit }) => ({ id, answers, carried, exit }));
  const models = staged.stages.map(({ model }) => model);
  return HostedStages.open(models, stages, { ...options, inputs, outputs }, resolveSettings(settings));
}
