import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { fail, ModicumError, VERSION } from '../../base/index.ts';
import {
  BINARY_EXTENSION,
  decodeMessage,
  encodeGrpcModelMetadata,
  GRPC_METHODS,
  GRPC_SERVICE,
  type GrpcMethod,
} from '../../protocol/index.ts';
import type { Door } from '../door/door.ts';
import { HEALTH_SERVICE, readHealthRequest, writeHealthResponse } from './health-service.ts';

/** A method that needs nothing but its message. */
export interface SmallMethod {
  /** /SERVICE/NAME */
  readonly path: string;
  /** Answers without a key, and while the server is closing. */
  readonly open: boolean;
  answer(door: Door, message: Uint8Array): Uint8Array;
}

/** The path of ModelInfer, which is not small. */
export const INFER_PATH = `/${GRPC_SERVICE}/ModelInfer`;

export const SMALL_METHODS: readonly SmallMethod[] = [
  { path: pathOf('ServerLive'), open: true, answer: () => encode('ServerLive', { live: true }) },
  {
    path: pathOf('ServerReady'),
    open: true,
    answer: (door) => encode('ServerReady', { ready: door.ready() }),
  },
  {
    path: pathOf('ModelReady'),
    open: false,
    answer: (door, message) => {
      const { name, version } = decode('ModelReady', message);
      return encode('ModelReady', { ready: isReady(door, name, version) });
    },
  },
  {
    path: pathOf('ServerMetadata'),
    open: false,
    answer: () =>
      encode('ServerMetadata', { name: 'modicum', version: VERSION, extensions: [BINARY_EXTENSION] }),
  },
  {
    path: pathOf('ModelMetadata'),
    open: false,
    answer: ({ models }, message) => {
      const { name, version } = decode('ModelMetadata', message);
      const { served, release } = models.lease(name, version === '' ? undefined : version);
      try {
        const { platform, inputs, outputs } = served;
        return encodeGrpcModelMetadata({ name, versions: models.versions(name), platform, inputs, outputs });
      } finally {
        release();
      }
    },
  },
  {
    path: `/${HEALTH_SERVICE}/Check`,
    open: true,
    answer: (door, message) => {
      const service = readHealthRequest(message);
      if (service === '' || service === GRPC_SERVICE) return writeHealthResponse(door.ready());
      throw fail('MODEL_UNKNOWN', `there is no service "${service.slice(0, 100)}"`);
    },
  },
];

/** Throws MODEL_UNKNOWN. */
function isReady({ models }: Door, name: string, version: string): boolean {
  try {
    const { served, release } = models.lease(name, version === '' ? undefined : version);
    const { ready } = served.state();
    release();
    return ready;
  } catch (error) {
    if (error instanceof ModicumError && error.code === 'MODEL_NOT_READY') return false;
    throw error;
  }
}

function pathOf(method: GrpcMethod): string {
  return `/${GRPC_SERVICE}/${method}`;
}

function decode<M extends GrpcMethod>(method: M, message: Uint8Array) {
  return decodeMessage<(typeof GRPC_METHODS)[M]['request']>(
    GRPC_METHODS[method].request,
    message,
    'REQUEST_INVALID',
  );
}

function encode<M extends GrpcMethod>(
  method: M,
  value: MessageInitShape<(typeof GRPC_METHODS)[M]['response']>,
): Uint8Array {
  const schema: (typeof GRPC_METHODS)[M]['response'] = GRPC_METHODS[method].response;
  return toBinary(schema, create(schema, value));
}
