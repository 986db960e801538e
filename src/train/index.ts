export { Composer, type PlainAttributes, TRAINING_OPSET } from './composer.ts';
export { differentiate, gradientRuleOf, type MissingGradient } from './differentiate/differentiate.ts';
export { GRADIENTS } from './gradients/index.ts';
export { type GradientRule, type GradientSite, STOPS } from './gradients/rule.ts';
