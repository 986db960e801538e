import {
  ModelInferRequestSchema,
  ModelInferResponseSchema,
  ModelMetadataRequestSchema,
  ModelMetadataResponseSchema,
  ModelReadyRequestSchema,
  ModelReadyResponseSchema,
  ServerLiveRequestSchema,
  ServerLiveResponseSchema,
  ServerMetadataRequestSchema,
  ServerMetadataResponseSchema,
  ServerReadyRequestSchema,
  ServerReadyResponseSchema,
} from './wire/open_inference_grpc_pb.ts';

export const GRPC_SERVICE = 'inference.GRPCInferenceService';

/** The methods of the service with the schemas of their messages; the path of one is /GRPC_SERVICE/NAME. All are unary. */
export const GRPC_METHODS = {
  ServerLive: { request: ServerLiveRequestSchema, response: ServerLiveResponseSchema },
  ServerReady: { request: ServerReadyRequestSchema, response: ServerReadyResponseSchema },
  ModelReady: { request: ModelReadyRequestSchema, response: ModelReadyResponseSchema },
  ServerMetadata: { request: ServerMetadataRequestSchema, response: ServerMetadataResponseSchema },
  ModelMetadata: { request: ModelMetadataRequestSchema, response: ModelMetadataResponseSchema },
  ModelInfer: { request: ModelInferRequestSchema, response: ModelInferResponseSchema },
} as const;

export type GrpcMethod = keyof typeof GRPC_METHODS;
