import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import {
  type ChannelCredentials,
  Client,
  credentials,
  type Metadata,
  Metadata as NewMetadata,
  type ServiceError,
} from '@grpc/grpc-js';

/**
 * A client of the service written from the numbers in the public open_inference_grpc.proto: it shares nothing with the server, and can
 * send what no generated client would.
 */
export interface WireTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  /** Field of InferTensorContents, and its bytes as they stand on the wire (packed, or one of many). */
  readonly contents?: (writer: BinaryWriter) => BinaryWriter;
}

export interface WireRequest {
  readonly model?: string;
  readonly version?: string;
  readonly id?: string;
  readonly parameters?: readonly (readonly [name: string, value: (writer: BinaryWriter) => BinaryWriter])[];
  readonly inputs?: readonly WireTensor[];
  readonly outputs?: readonly string[];
  readonly raw?: readonly Uint8Array[];
}

const nested = (writer: BinaryWriter, field: number, inner: (writer: BinaryWriter) => BinaryWriter) =>
  writer.tag(field, WireType.LengthDelimited).bytes(inner(new BinaryWriter()).finish());

const text = (writer: BinaryWriter, field: number, value: string | undefined) =>
  value === undefined ? writer : writer.tag(field, WireType.LengthDelimited).string(value);

/** Parameter values by their field in InferParameter. */
export const param = {
  int64: (value: number) => (writer: BinaryWriter) => writer.tag(2, WireType.Varint).int64(value),
  text: (value: string) => (writer: BinaryWriter) => text(writer, 3, value),
  bool: (value: boolean) => (writer: BinaryWriter) => writer.tag(1, WireType.Varint).bool(value),
};

/** Typed contents: fp32_contents=6, int64_contents=3, bytes_contents=8. */
export const contents = {
  fp32: (values: readonly number[]) => (writer: BinaryWriter) =>
    nested(writer, 6, (inner) => {
      for (const value of values) inner.float(value);
      return inner;
    }),
  int64: (values: readonly number[]) => (writer: BinaryWriter) =>
    nested(writer, 3, (inner) => {
      for (const value of values) inner.int64(value);
      return inner;
    }),
  bytes: (values: readonly Uint8Array[]) => (writer: BinaryWriter) => {
    for (const value of values) writer.tag(8, WireType.LengthDelimited).bytes(value);
    return writer;
  },
};

/** ModelInferRequest: model_name=1, model_version=2, id=3, parameters=4, inputs=5, outputs=6, raw_input_contents=7. */
export function inferRequest(request: WireRequest): Buffer {
  const writer = new BinaryWriter();
  text(writer, 1, request.model);
  text(writer, 2, request.version);
  text(writer, 3, request.id);
  for (const [name, value] of request.parameters ?? []) {
    nested(writer, 4, (entry) => nested(text(entry, 1, name), 2, value));
  }
  for (const { name, datatype, shape, contents: typed } of request.inputs ?? []) {
    nested(writer, 5, (tensor) => {
      text(text(tensor, 1, name), 2, datatype);
      nested(tensor, 3, (dims) => {
        for (const dim of shape) dims.int64(dim);
        return dims;
      });
      return typed === undefined ? tensor : nested(tensor, 5, typed);
    });
  }
  for (const name of request.outputs ?? []) nested(writer, 6, (output) => text(output, 1, name));
  for (const bytes of request.raw ?? []) writer.tag(7, WireType.LengthDelimited).bytes(bytes);
  return Buffer.from(writer.finish());
}

/** Fields of a message by number: lengths as bytes, varints as bigint. */
export function fieldsOf(message: Uint8Array): Map<number, (Uint8Array | bigint)[]> {
  const reader = new BinaryReader(message);
  const fields = new Map<number, (Uint8Array | bigint)[]>();
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    const value =
      type === WireType.LengthDelimited ? new Uint8Array(reader.bytes()) : BigInt(reader.uint64());
    fields.set(field, [...(fields.get(field) ?? []), value]);
  }
  return fields;
}

/** ModelInferResponse: model_name=1, model_version=2, id=3, outputs=5 (name=1, datatype=2, shape=3, contents=5), raw_output_contents=6. */
export function inferResponse(message: Uint8Array) {
  const fields = fieldsOf(message);
  const string = (from: typeof fields, field: number) =>
    Buffer.from((from.get(field)?.[0] as Uint8Array | undefined) ?? new Uint8Array(0)).toString();
  return {
    model: string(fields, 1),
    version: string(fields, 2),
    id: string(fields, 3),
    outputs: (fields.get(5) ?? []).map((tensor) => {
      const inner = fieldsOf(tensor as Uint8Array);
      return {
        name: string(inner, 1),
        datatype: string(inner, 2),
        contents: inner.get(5)?.[0] as Uint8Array | undefined,
      };
    }),
    raw: (fields.get(6) ?? []) as Uint8Array[],
  };
}

export interface Reply {
  readonly message: Buffer;
  readonly trailers: Metadata;
}

/** Calls of one connection. */
export class WireClient {
  readonly client: Client;

  constructor(port: number, secure: ChannelCredentials = credentials.createInsecure(), options: object = {}) {
    this.client = new Client(`127.0.0.1:${port}`, secure, {
      'grpc-node.flow_control_window': 16 * 2 ** 20,
      'grpc.max_receive_message_length': -1,
      ...options,
    });
  }

  call(
    path: string,
    message: Uint8Array,
    {
      headers = {},
      deadline,
      cancelAfter,
    }: { headers?: Record<string, string>; deadline?: number; cancelAfter?: Promise<void> } = {},
  ): Promise<Reply> {
    const metadata = new NewMetadata();
    for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
    return new Promise((resolve, reject) => {
      let trailers = new NewMetadata();
      const same = (bytes: Buffer) => bytes;
      const call = this.client.makeUnaryRequest(
        ...([path, same, same, Buffer.from(message), metadata] as const),
        { ...(deadline !== undefined && { deadline: Date.now() + deadline }) },
        (error: ServiceError | null, answer?: Buffer) => {
          if (error !== null) reject(error);
          else setImmediate(() => resolve({ message: answer!, trailers }));
        },
      );
      call.on('status', (status) => {
        trailers = status.metadata;
      });
      void cancelAfter?.then(() => call.cancel());
    });
  }

  infer(request: WireRequest, options: Parameters<WireClient['call']>[2] = {}): Promise<Reply> {
    return this.call('/inference.GRPCInferenceService/ModelInfer', inferRequest(request), options);
  }

  close(): void {
    this.client.close();
  }
}
