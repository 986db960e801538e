export type { ConfidenceKind, ExitRule, Stage, StagedModel } from './staged-model.ts';
