export { type Asking, askingParameters, readAsking } from './asking.ts';
export { binaryEnd, type Placed, readHeaderLength } from './binary-plan.ts';
export type { Blame } from './blame.ts';
export { decodeByteStrings, encodeByteStrings } from './byte-strings.ts';
export { DATATYPES, type Datatype, datatypeOf, dtypeOf, isRawOnly } from './datatypes.ts';
export {
  type EncodedBody,
  encodeInferRequest,
  encodeInferResponse,
  joinChunks,
  type SentRequest,
  type SentResponse,
  type SentTensor,
} from './encode-body.ts';
export {
  decodeMessage,
  encodeGrpcRequest,
  encodeGrpcResponse,
  encodeMessage,
  type GrpcInferRequest,
  type GrpcSentRequest,
  type GrpcSentResponse,
  readGrpcRequest,
  readGrpcResponse,
} from './grpc-infer.ts';
export { encodeGrpcModelMetadata, readGrpcModelMetadata, readGrpcServerMetadata } from './grpc-metadata.ts';
export { GRPC_METHODS, GRPC_SERVICE, type GrpcMethod } from './grpc-service.ts';
export {
  type BodyLengths,
  type InferRequest,
  type RequestedOutput,
  readInferRequest,
  readTensors,
  type TensorHead,
  tensorOfJson,
  wantsBinary,
} from './infer-request.ts';
export { type InferResponse, readInferResponse } from './infer-response.ts';
export { parseJson } from './json-text.ts';
export {
  BINARY_EXTENSION,
  type ModelMetadata,
  readModelMetadata,
  readServerMetadata,
  type ServerMetadata,
  type TensorMetadata,
  tensorMetadata,
} from './metadata.ts';
export { CODE_HEADER, type CostOfAnswer, METER_HEADERS, readMeterHeaders } from './meter-headers.ts';
export { checkBools, type NamedTensor, tensorOfRaw } from './named-tensor.ts';
export type { Parameters } from './parameters.ts';
export { type RawPort, rawShape, readRawRequest } from './raw-request.ts';
