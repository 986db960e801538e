export type { Architecture, CommonOptions } from './architectures/architecture.ts';
export { buildForMacs, type Sized } from './architectures/build-for-macs.ts';
export { ARCHITECTURES, type ArchitectureName, architectureByName } from './architectures/index.ts';
export type { OutputKind, Task, TaskInput, TaskOutput } from './architectures/task.ts';
export { blockSize } from './blocked/block-size.ts';
export { Composer, type PlainAttributes, TRAINING_OPSET } from './composer.ts';
export { differentiate, gradientRuleOf, type MissingGradient } from './differentiate/differentiate.ts';
export { type DistillOptions, distill, type FeaturePair } from './distill.ts';
export type { Expansion } from './expand/expansion.ts';
export { EXPANSIONS, expandNodes, expansionOf } from './expand/index.ts';
export { GRADIENTS } from './gradients/index.ts';
export { type GradientRule, type GradientSite, STOPS } from './gradients/rule.ts';
export { gradientsGrid } from './grid.ts';
export { fit } from './loop/fit.ts';
export type { FitOptions, FitResult, Validation } from './loop/options.ts';
export { Answers, Teacher, type Unmake } from './loop/teacher.ts';
export { LOSSES, type LossName } from './losses/index.ts';
export type { Loss, LossOptions } from './losses/loss.ts';
export { type Tail, tailOf } from './losses/scores.ts';
export { lowerMacros, MACROS, type MacroName, macroOf } from './macros/index.ts';
export { MACRO_DOMAIN, type Macro } from './macros/macro.ts';
export { OPTIMIZERS, type OptimizerName } from './optimizers/index.ts';
export type { Optimizer, OptimizerOptions } from './optimizers/optimizer.ts';
export { type TrainableOptions, trainableWeights } from './parameters/trainable.ts';
export { TRAINING_PASSES, type TrainingPassName } from './passes/index.ts';
export { type Prepared, prepareForTraining } from './prepare/prepare.ts';
export {
  IMPORTANCES,
  type ImportanceName,
} from './prune/importance.ts';
export {
  type CutLatencyOptions,
  latencyRatio,
} from './prune/latency-target.ts';
export {
  type PruneOptions,
  type PruneResult,
  type PruneRound,
  prune,
} from './prune/prune.ts';
export {
  type TaylorOptions,
  taylorScores,
} from './prune/taylor.ts';
export {
  type AdaroundOptions,
  type AdaroundResult,
  adaround,
  type RoundedLayer,
} from './quantize-aware/adaround.ts';
export {
  type QuantizeAwareOptions,
  type QuantizeAwareResult,
  quantizeAware,
} from './quantize-aware/quantize-aware.ts';
export { SCHEDULES, type Schedule, type ScheduleName } from './schedules.ts';
export {
  buildGradient,
  type GradientGraph,
  type GradientOptions,
  type TargetPort,
} from './step/gradient-graph.ts';
export { STEP } from './step/names.ts';
export type { TargetSource, Term } from './step/objective.ts';
export { buildStep, type StepGraph, type StepOptions } from './step/step-graph.ts';
export { normalizeInputs } from './students/normalize-inputs.ts';
export { type Block, blocksOf, shallowerCopy } from './students/shallower.ts';
export { makeStudent, parseStudent, type Student, type StudentRequest } from './students/student.ts';
export { type LossRequest, labelTerms, parseLoss } from './terms.ts';
export { type TrainOptions, train } from './train.ts';
