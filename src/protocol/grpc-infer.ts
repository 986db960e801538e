import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import { fail, messageOf } from '../base/index.ts';
import type { Blame } from './blame.ts';
import { dtypeOf } from './datatypes.ts';
import { contentsOf, tensorOfContents } from './grpc-contents.ts';
import { parametersOfGrpc, parametersToGrpc } from './grpc-parameters.ts';
import type { RequestedOutput } from './infer-request.ts';
import type { InferResponse } from './infer-response.ts';
import { datatypeOfSent, type NamedTensor, rawOf, tensorOfRaw } from './named-tensor.ts';
import type { Parameters } from './parameters.ts';
import { readLongShape } from './shape.ts';
import {
  type InferParameter,
  type InferTensorContents,
  ModelInferRequestSchema,
  ModelInferResponseSchema,
} from './wire/open_inference_grpc_pb.ts';

/** Decodes a message; fields that are not known are dropped. Throws `blame`. */
export function decodeMessage<S extends DescMessage>(
  schema: S,
  bytes: Uint8Array,
  blame: Blame,
): MessageShape<S> {
  try {
    return fromBinary(schema, bytes, { readUnknownFields: false });
  } catch (cause) {
    throw fail(blame, `the bytes are no ${schema.typeName}: ${messageOf(cause).slice(0, 200)}`, {}, cause);
  }
}

/** The bytes of a message with these fields. */
export function encodeMessage<S extends DescMessage>(schema: S, fields: MessageInitShape<S>): Uint8Array {
  return toBinary(schema, create(schema, fields));
}

/** A ModelInferRequest. */
export interface GrpcInferRequest {
  readonly modelName: string;
  /** "": the server chooses. */
  readonly modelVersion: string;
  readonly id: string | undefined;
  readonly parameters: Parameters;
  /** Raw ones are views into the message. */
  readonly inputs: readonly NamedTensor[];
  readonly outputs: readonly RequestedOutput[] | undefined;
  /** Whether its tensors came raw: the answer may come so too. */
  readonly raw: boolean;
}

/** Throws REQUEST_INVALID. */
export function readGrpcRequest(bytes: Uint8Array): GrpcInferRequest {
  const blame = 'REQUEST_INVALID';
  const message = decodeMessage(ModelInferRequestSchema, bytes, blame);
  const outputs = message.outputs.map(({ name, parameters }) => ({
    name,
    parameters: parametersOfGrpc(parameters, `output ${name}`, blame),
  }));
  return {
    modelName: message.modelName,
    modelVersion: message.modelVersion,
    id: message.id === '' ? undefined : message.id,
    parameters: parametersOfGrpc(message.parameters, 'the request', blame),
    inputs: readTensors(message.inputs, message.rawInputContents, 'input', blame),
    outputs: outputs.length === 0 ? undefined : unique(outputs, 'output', blame),
    raw: message.rawInputContents.length > 0,
  };
}

/** Throws REMOTE_FAILED. */
export function readGrpcResponse(bytes: Uint8Array): InferResponse {
  const blame = 'REMOTE_FAILED';
  const message = decodeMessage(ModelInferResponseSchema, bytes, blame);
  return {
    modelName: message.modelName,
    modelVersion: message.modelVersion === '' ? undefined : message.modelVersion,
    id: message.id === '' ? undefined : message.id,
    parameters: parametersOfGrpc(message.parameters, 'the answer', blame),
    outputs: readTensors(message.outputs, message.rawOutputContents, 'output', blame),
  };
}

interface WireTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly bigint[];
  readonly contents?: InferTensorContents;
}

function readTensors(
  tensors: readonly WireTensor[],
  raw: readonly Uint8Array[],
  kind: string,
  blame: Blame,
): readonly NamedTensor[] {
  if (raw.length > 0 && raw.length !== tensors.length) {
    throw fail(blame, `there are ${tensors.length} ${kind}s and ${raw.length} raw_${kind}_contents`);
  }
  const read = tensors.map(({ name, datatype, shape, contents }, i) => {
    const where = `${kind} ${name}`;
    const dtype = dtypeOf(datatype, where, blame);
    const dims = readLongShape(shape, where, blame);
    if (raw.length === 0) return { name, tensor: tensorOfContents(dtype, dims, contents, where, blame) };
    if (contents !== undefined) {
      throw fail(blame, `${where} has contents, and there are raw_${kind}_contents; give one of them`);
    }
    return { name, tensor: tensorOfRaw(dtype, dims, raw[i]!, where, blame) };
  });
  return unique(read, kind, blame);
}

function unique<T extends { readonly name: string }>(
  named: readonly T[],
  kind: string,
  blame: Blame,
): readonly T[] {
  const seen = new Set<string>();
  for (const { name } of named) {
    if (seen.has(name)) throw fail(blame, `${kind} ${name} is there twice`);
    seen.add(name);
  }
  return named;
}

export interface GrpcSentRequest {
  readonly modelName: string;
  readonly modelVersion?: string;
  readonly id?: string;
  readonly parameters?: Parameters;
  readonly inputs: readonly NamedTensor[];
  readonly outputs?: readonly string[];
  /** Raw contents, which are several times cheaper, or typed ones. Default: true. */
  readonly raw?: boolean;
}

/** Throws REQUEST_INVALID for dtypes that the form does not carry. */
export function encodeGrpcRequest({
  inputs,
  outputs = [],
  raw = true,
  ...rest
}: GrpcSentRequest): Uint8Array {
  const { tensors, contents } = wireTensors(inputs, raw, 'REQUEST_INVALID');
  const message = create(ModelInferRequestSchema, {
    ...head(rest),
    inputs: tensors,
    outputs: outputs.map((name) => ({ name })),
    rawInputContents: contents,
  });
  return toBinary(ModelInferRequestSchema, message);
}

export interface GrpcSentResponse {
  readonly modelName: string;
  readonly modelVersion?: string;
  readonly id?: string;
  readonly parameters?: Parameters;
  readonly outputs: readonly NamedTensor[];
  readonly raw?: boolean;
}

/** Throws REQUEST_INVALID for dtypes that the form does not carry. */
export function encodeGrpcResponse({ outputs, raw = true, ...rest }: GrpcSentResponse): Uint8Array {
  const { tensors, contents } = wireTensors(outputs, raw, 'REQUEST_INVALID');
  const message = create(ModelInferResponseSchema, {
    ...head(rest),
    outputs: tensors,
    rawOutputContents: contents,
  });
  return toBinary(ModelInferResponseSchema, message);
}

function head(of: { modelName: string; modelVersion?: string; id?: string; parameters?: Parameters }) {
  const parameters: Record<string, InferParameter> = parametersToGrpc(of.parameters);
  return { modelName: of.modelName, modelVersion: of.modelVersion ?? '', id: of.id ?? '', parameters };
}

function wireTensors(sent: readonly NamedTensor[], raw: boolean, blame: Blame) {
  const tensors = sent.map(({ name, tensor }) => ({
    name,
    datatype: datatypeOfSent(name, tensor, blame),
    shape: tensor.dims.map(BigInt),
    ...(!raw && { contents: contentsOf(name, tensor, blame) }),
  }));
  return { tensors, contents: raw ? sent.map(({ tensor }) => rawOf(tensor)) : [] };
}
