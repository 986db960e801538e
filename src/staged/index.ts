export { type BatchAxes, batchAxes } from './batch-axes.ts';
export { type CascadeStep, cascade } from './cascade.ts';
export { CONFIDENCE_KINDS, type Judgement, judge, logitsOfRow, type ScoreReading } from './confidence.ts';
export type { OpenStage } from './open-stage.ts';
export { openStaged, type StageSource } from './open-staged.ts';
export { joinRows, takeRows } from './rows.ts';
export { confidencesOf } from './scores.ts';
export type { ConfidenceKind, ExitRule, Stage, StagedModel } from './staged-model.ts';
export {
  EXIT_OUTPUT,
  type StagedOptions,
  type StagedSession,
  stagedSession,
} from './staged-session.ts';
