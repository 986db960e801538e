export type { ConfidenceKind, ExitRule, Stage, StagedModel } from '../staged/index.ts';
