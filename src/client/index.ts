export * from './browser.ts';
export type { GrpcChannelOptions, GrpcTls } from './grpc-channel.ts';
export { type GrpcClientOptions, GrpcInferenceClient } from './grpc-inference-client.ts';
