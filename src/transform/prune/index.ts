export { activationImportance } from './activation-importance.ts';
export { type Capture, type CaptureOptions, captureOf } from './capture.ts';
export { cutUnits, type UnitCut } from './cut-units.ts';
export {
  type AxisUnits,
  groupOf,
  type Member,
  type PruneGroup,
  type PruneGroups,
  type Role,
} from './group.ts';
export { pruneGroups } from './groups.ts';
export { NormalEquations } from './normal-equations.ts';
export { type CutLimits, type CutOptions, type CutPlan, planCut, planForMacs } from './plan.ts';
export { printGroups } from './print-groups.ts';
export {
  type Pruned,
  type RefitOptions,
  type RepairNote,
  repairConsumers,
} from './repair.ts';
export { type Aggregation, type UnitScores, unitScores, valueScores, weightImportance } from './scores.ts';
export { type PruningOptions, structuredPruning } from './structured-pruning.ts';
