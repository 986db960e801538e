export * from './browser.ts';
export { type GrpcClientOptions, GrpcInferenceClient } from './grpc-inference-client.ts';
