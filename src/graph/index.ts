export * from './attributes.ts';
export { constantOf, isConstant, valueOfConstant } from './constant.ts';
export { type Cost, type CountOptions, costOf, type ModelCost, type NodeCost } from './cost.ts';
export * from './dtype.ts';
export * from './edit.ts';
export { type Inference, type InferOptions, inferShapes, type Missing } from './infer.ts';
export * from './model.ts';
export {
  type Observation,
  type ObserveOptions,
  observeShapes,
  type RunModel,
  withObserved,
} from './observe.ts';
export { knownOf } from './ops/constant.ts';
export { OP_COLUMNS, type OpColumn, opsGrid } from './ops/grid.ts';
export { OPS, type OpName, opKey, specOf } from './ops/index.ts';
export {
  type CostSite,
  type Element,
  type Known,
  type OpSpec,
  Site,
  type Traits,
  type Work,
} from './ops/op.ts';
export * from './scope.ts';
export { type ByteSource, Tensor } from './tensor.ts';
export { type ParseOptions, parseGraph, parseText } from './text/parse.ts';
export { type PrintOptions, printText, printType } from './text/print.ts';
export type { Finding, Rule } from './verify/rule.ts';
export { assertValid, RULES, verify } from './verify/verify.ts';
export { decodeModel } from './wire/decode.ts';
export type { ExternalResolver } from './wire/decode-tensor.ts';
export { type ExternalPlacer, encodeModel } from './wire/encode.ts';
