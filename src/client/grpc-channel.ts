import type { Client, Metadata, ServiceError } from '@grpc/grpc-js';
import { type ErrorCode, fail } from '../base/index.ts';
import { CODE_HEADER, GRPC_SERVICE, type GrpcMethod } from '../protocol/index.ts';
import type { CallScope } from './call-scope.ts';
import { knownCode, retryAfterMs, whyOf } from './error-of-answer.ts';
import { type Failed, Retryable } from './retry.ts';

/** PEM files of TLS; {} trusts the authorities that Node knows. */
export interface GrpcTls {
  readonly ca?: string;
  /** Of the client, for servers that ask for one. */
  readonly cert?: string;
  readonly key?: string;
}

export interface GrpcChannelOptions {
  /** Default: none for grpc://, {} for grpcs://. */
  readonly tls?: GrpcTls;
  /** Default: 512 MiB. */
  readonly maxMessageBytes?: number;
}

export interface GrpcAnswer {
  readonly bytes: Uint8Array;
  /** A header or trailer of the answer. */
  get(name: string): string | null;
}

/** One connection to a server. */
export interface GrpcChannel {
  /** Throws the reason of the scope, or errors that may be Retryable. */
  call(
    method: GrpcMethod,
    message: Uint8Array,
    scope: CallScope,
    headers: Readonly<Record<string, string>>,
  ): Promise<GrpcAnswer>;
  close(): void;
}

/** Bytes that may be on their way without an acknowledgement: with HTTP/2's 64 KB a tensor of 600 KB takes twice as long. */
const WINDOW = 16 * 2 ** 20;
const MOST_BYTES = 512 * 2 ** 20;

/** The only file that knows grpc-js, which is loaded here and not before. */
export async function openGrpcChannel(
  address: string,
  { tls, maxMessageBytes = MOST_BYTES }: GrpcChannelOptions,
): Promise<GrpcChannel> {
  const grpc = await import('@grpc/grpc-js');
  const pem = (text: string | undefined) => (text === undefined ? null : Buffer.from(text));
  const credentials =
    tls === undefined
      ? grpc.credentials.createInsecure()
      : grpc.credentials.createSsl(pem(tls.ca), pem(tls.key), pem(tls.cert));
  const client: Client = new grpc.Client(address, credentials, {
    'grpc-node.flow_control_window': WINDOW,
    'grpc.max_send_message_length': maxMessageBytes,
    'grpc.max_receive_message_length': maxMessageBytes,
    // Tries are made by the client above it, which knows the deadline and what may be repeated.
    'grpc.enable_retries': 0,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 2000,
  });
  const call: GrpcChannel['call'] = (method, message, scope, headers) =>
    new Promise((resolve, reject) => {
      scope.signal.throwIfAborted();
      const metadata = new grpc.Metadata();
      for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
      const received: Metadata[] = [];
      const get = (name: string) => {
        const value = received.flatMap((one) => one.get(name))[0];
        return value === undefined ? null : String(value);
      };
      const abort = () => unary.cancel();
      const unary = client.makeUnaryRequest<Uint8Array, Uint8Array>(
        `/${GRPC_SERVICE}/${method}`,
        (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
        (bytes) => bytes,
        message,
        metadata,
        {},
        (error, bytes) => {
          scope.signal.removeEventListener('abort', abort);
          // The trailers come with the status, in the same turn and behind this.
          queueMicrotask(() => {
            if (scope.signal.aborted) reject(scope.signal.reason);
            else if (error !== null) reject(errorOfStatus(`${address} ${method}`, error));
            else resolve({ bytes: bytes!, get });
          });
        },
      );
      unary.on('metadata', (one) => received.push(one));
      unary.on('status', ({ metadata: trailers }) => received.push(trailers));
      scope.signal.addEventListener('abort', abort, { once: true });
    });
  return { call, close: () => client.close() };
}

/** By number of the gRPC status. */
const CODES: Readonly<Record<number, ErrorCode>> = {
  3: 'REQUEST_INVALID',
  4: 'DEADLINE_MISSED',
  5: 'MODEL_UNKNOWN',
  7: 'KEY_REFUSED',
  8: 'REQUEST_TOO_LARGE',
  11: 'REQUEST_INVALID',
  14: 'OVERLOADED',
  16: 'KEY_REFUSED',
};
const UNAVAILABLE = 14;

/** What grpc-js says where a connection was not made, and where one was lost. */
const NOT_CONNECTED = /No connection established|ECONNREFUSED|ENOTFOUND|EAI_AGAIN|Name resolution failed/;
const LOST = /ECONNRESET|EPIPE|Connection dropped|socket hang up|Stream closed|GOAWAY|ended/i;

function errorOfStatus(where: string, { code: status, details, metadata }: ServiceError): Error {
  const get = (name: string) => {
    const value = metadata?.get(name)[0];
    return value === undefined ? null : String(value);
  };
  const named = knownCode(get(CODE_HEADER));
  const lost = named === undefined && status === UNAVAILABLE && lossOf(details);
  const waitMs = retryAfterMs({ get });
  const code = named ?? (lost ? 'REMOTE_FAILED' : (CODES[status] ?? 'REMOTE_FAILED'));
  const error = fail(code, `${where} answered status ${status}: ${whyOf(code, details)}`, {
    status,
    ...(waitMs !== undefined && { retryAfterMs: waitMs }),
  });
  if (lost) return new Retryable(error, lost);
  return status === UNAVAILABLE || named === 'KEY_LIMITED' ? new Retryable(error, 'refused', waitMs) : error;
}

function lossOf(details: string): Failed | undefined {
  if (NOT_CONNECTED.test(details)) return 'refused';
  return LOST.test(details) ? 'broken' : undefined;
}
