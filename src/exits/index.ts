export { CONFIDENCE_KINDS, type Judgement, judge, type ScoreReading } from './confidence.ts';
export type { ConfidenceKind, ExitRule, Stage, StagedModel } from './staged-model.ts';
