/** `modicum/client` as browsers get it: REST alone. */
export { ModicumError } from '../base/index.ts';
export { Tensor } from '../graph/index.ts';
export type {
  CostOfAnswer,
  ModelMetadata,
  Parameters,
  ServerMetadata,
  TensorMetadata,
} from '../protocol/index.ts';
export { InferenceClient, type RestClientOptions } from './inference-client.ts';
export type {
  AnyModel,
  ArrayOf,
  Given,
  InputsOf,
  ModelType,
  OutputsOf,
  TensorOf,
  TensorParts,
} from './model-type.ts';
export type {
  CallOptions,
  ClientOptions,
  InferenceService,
  InferOptions,
  Inferred,
  RetryOptions,
} from './options.ts';
export type { Transport } from './rest-call.ts';
