import {
  Metadata,
  Server,
  ServerCredentials,
  type ServiceError,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { buffersOf, delimited, type Field, fieldsOf, packed, textOf, varintField } from './protobuf.ts';

/**
 * A server of the Open Inference Protocol v2 over gRPC, made by hand from the field numbers of the specification. Its models are those of
 * the plain server over REST: `double` and `echo`; it takes raw contents.
 */
export interface PlainGrpc {
  readonly url: string;
  readonly port: number;
  readonly seen: {
    readonly method: string;
    readonly fields: readonly Field[];
    readonly metadata: Metadata;
  }[];
  /** The next calls fail so instead, one each. */
  readonly faults: (Partial<ServiceError> | 'silence')[];
  close(): Promise<void>;
}

const METHODS = ['ServerLive', 'ServerReady', 'ModelReady', 'ServerMetadata', 'ModelMetadata', 'ModelInfer'];

export async function servePlainGrpc(trailers: Record<string, string> = {}, port = 0): Promise<PlainGrpc> {
  const seen: PlainGrpc['seen'] = [];
  const faults: PlainGrpc['faults'] = [];
  const server = new Server({ 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 });
  const same = (bytes: Buffer) => bytes;
  const definition = Object.fromEntries(
    METHODS.map((name) => [
      name,
      {
        path: `/inference.GRPCInferenceService/${name}`,
        requestStream: false,
        responseStream: false,
        requestSerialize: same,
        requestDeserialize: same,
        responseSerialize: same,
        responseDeserialize: same,
      },
    ]),
  );
  const handler =
    (method: string) => (call: { request: Buffer; metadata: Metadata }, reply: sendUnaryData<Buffer>) => {
      const fields = fieldsOf(call.request);
      seen.push({ method, fields, metadata: call.metadata });
      const fault = faults.shift();
      if (fault === 'silence') return;
      if (fault !== undefined) return reply({ name: '', message: '', ...fault } as ServiceError);
      try {
        const metadata = new Metadata();
        for (const [name, value] of Object.entries(trailers)) metadata.set(name, value);
        reply(null, answer(method, fields), metadata);
      } catch (error) {
        reply({ code: status.NOT_FOUND, details: (error as Error).message });
      }
    };
  server.addService(definition, Object.fromEntries(METHODS.map((name) => [name, handler(name)])));
  const bound = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, found) =>
      error === null ? resolve(found) : reject(error),
    ),
  );
  const close = async () => server.forceShutdown();
  return { url: `grpc://127.0.0.1:${bound}`, port: bound, seen, faults, close };
}

function answer(method: string, fields: readonly Field[]): Buffer {
  if (method === 'ServerMetadata') {
    return Buffer.concat([delimited(1, 'plain'), delimited(2, '1'), delimited(3, 'sequence')]);
  }
  if (method === 'ServerLive' || method === 'ServerReady') return varintField(1, 1n);
  const name = textOf(fields, 1);
  if (name !== 'double' && name !== 'echo') throw new Error(`no model ${name}`);
  if (method === 'ModelReady') return varintField(1, 1n);
  if (method === 'ModelMetadata') {
    const tensor = (port: string) =>
      Buffer.concat([delimited(1, port), delimited(2, 'FP32'), packed(3, [-1, 2])]);
    return Buffer.concat([
      delimited(1, name),
      delimited(2, '1'),
      delimited(3, 'onnx_onnxv1'),
      delimited(4, tensor('x')),
      delimited(5, tensor('y')),
    ]);
  }
  return infer(name, fields);
}

function infer(model: string, fields: readonly Field[]): Buffer {
  const wanted = buffersOf(fields, 6).map((one) => textOf(fieldsOf(one), 1));
  const raw = buffersOf(fields, 7);
  const outputs = buffersOf(fields, 5)
    .map((input, i) => {
      const own = fieldsOf(input);
      const name = model === 'double' ? 'y' : textOf(own, 1);
      const tensor = Buffer.concat([
        delimited(1, name),
        delimited(2, textOf(own, 2)),
        ...buffersOf(own, 3).map((shape) => delimited(3, shape)),
      ]);
      return { name, tensor, bytes: model === 'double' ? doubled(raw[i]!) : raw[i]! };
    })
    .filter(({ name }) => wanted.length === 0 || wanted.includes(name));
  return Buffer.concat([
    delimited(1, model),
    delimited(2, '2'),
    delimited(3, textOf(fields, 3)),
    ...buffersOf(fields, 4).map((parameter) => delimited(4, parameter)),
    ...outputs.map(({ tensor }) => delimited(5, tensor)),
    ...outputs.map(({ bytes }) => delimited(6, bytes)),
  ]);
}

function doubled(bytes: Buffer): Buffer {
  const y = Buffer.alloc(bytes.length);
  for (let at = 0; at < bytes.length; at += 4) y.writeFloatLE(2 * bytes.readFloatLE(at), at);
  return y;
}
