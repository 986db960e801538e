import { create, toBinary } from '@bufbuild/protobuf';
import type { DType, Shape } from '../graph/index.ts';
import { decodeMessage } from './grpc-infer.ts';
import { type ModelMetadata, portOf, type ServerMetadata, tensorMetadata } from './metadata.ts';
import { ModelMetadataResponseSchema, ServerMetadataResponseSchema } from './wire/open_inference_grpc_pb.ts';

interface Described {
  readonly name: string;
  readonly versions: readonly string[];
  readonly platform: string;
  readonly inputs: readonly { readonly name: string; readonly dtype: DType; readonly shape: Shape }[];
  readonly outputs: Described['inputs'];
}

/** A ModelMetadataResponse. Throws REQUEST_INVALID for dtypes that the protocol does not carry. */
export function encodeGrpcModelMetadata({
  name,
  versions,
  platform,
  inputs,
  outputs,
}: Described): Uint8Array {
  const tensors = (ports: Described['inputs']) =>
    ports.map((port) => {
      const { shape, ...rest } = tensorMetadata(port, 'REQUEST_INVALID');
      return { ...rest, shape: shape.map(BigInt) };
    });
  const message = create(ModelMetadataResponseSchema, {
    name,
    versions: [...versions],
    platform,
    inputs: tensors(inputs),
    outputs: tensors(outputs),
  });
  return toBinary(ModelMetadataResponseSchema, message);
}

/** Throws REMOTE_FAILED. */
export function readGrpcModelMetadata(bytes: Uint8Array): ModelMetadata {
  const message = decodeMessage(ModelMetadataResponseSchema, bytes, 'REMOTE_FAILED');
  const tensors = (list: typeof message.inputs) =>
    list.map(({ name, datatype, shape }) => portOf(name, datatype, shape.map(Number)));
  return {
    name: message.name,
    versions: message.versions,
    platform: message.platform,
    inputs: tensors(message.inputs),
    outputs: tensors(message.outputs),
  };
}

/** Throws REMOTE_FAILED. */
export function readGrpcServerMetadata(bytes: Uint8Array): ServerMetadata {
  const { name, version, extensions } = decodeMessage(ServerMetadataResponseSchema, bytes, 'REMOTE_FAILED');
  return { name, version, extensions };
}
