export type { Architecture, CommonOptions } from './architectures/architecture.ts';
export { buildForMacs, type Sized } from './architectures/build-for-macs.ts';
export { ARCHITECTURES, type ArchitectureName, architectureByName } from './architectures/index.ts';
export type { OutputKind, Task, TaskInput, TaskOutput } from './architectures/task.ts';
export { Composer, type PlainAttributes, TRAINING_OPSET } from './composer.ts';
export { differentiate, gradientRuleOf, type MissingGradient } from './differentiate/differentiate.ts';
export { GRADIENTS } from './gradients/index.ts';
export { type GradientRule, type GradientSite, STOPS } from './gradients/rule.ts';
