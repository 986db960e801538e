import type * as Grpc from '@grpc/grpc-js';
import { fail, messageOf } from '../../base/index.ts';
import { Door, type Guest } from '../door/door.ts';
import type { Listener } from '../door/leave.ts';
import { refusalOf } from '../door/statuses.ts';
import type { Models, Observer } from '../ports.ts';
import { Pace } from '../rest/pace.ts';
import { credentialOf } from '../security/credential.ts';
import { credentialsOf } from './credentials.ts';
import { limitConnections, limitHttp2 } from './http2-limits.ts';
import { inferGrpc } from './infer.ts';
import { INFER_PATH, SMALL_METHODS } from './methods.ts';
import { GRPC_LIMITS, type GrpcLimits, type GrpcOptions } from './options.ts';

/** A gRPC server that listens. */
export interface GrpcServer extends Listener {
  readonly port: number;
}

interface Visit {
  readonly guest: Guest;
  readonly arrival: number;
}

type Unary = Grpc.handleUnaryCall<Uint8Array, Uint8Array>;

/**
 * The Open Inference Protocol v2 over gRPC, and grpc.health.v1 (Check). It listens when the promise resolves. Throws SERVER_NOT_STARTED.
 */
export async function startGrpc(
  models: Models,
  observer: Observer,
  options: GrpcOptions,
): Promise<GrpcServer> {
  const limits: GrpcLimits = { ...GRPC_LIMITS, ...options.limits };
  const door = options.door ?? new Door(models, observer, options);
  // Loaded only by those who want gRPC.
  const grpc = await import('@grpc/grpc-js');
  const pace = new Pace({ bodyMs: limits.messageMs, bytesPerSecond: 0, answerMs: limits.messageMs });
  const visits = new WeakMap<Grpc.Metadata, Visit>();
  const server = new grpc.Server({
    'grpc.max_receive_message_length': limits.messageBytes,
    'grpc.max_send_message_length': -1,
    'grpc.max_connection_idle_ms': limits.idleMs,
    'grpc.keepalive_time_ms': limits.pingMs,
    'grpc.keepalive_timeout_ms': limits.pingMs / 3,
    'grpc.enable_channelz': 0,
    interceptors: [entry(grpc, door, pace, visits)],
  });
  limitHttp2(server, limits);
  const refuse = (thrown: unknown, path: string): Partial<Grpc.StatusObject> => {
    const refusal = refusalOf(thrown);
    if (refusal.ours) observer.event('request-failed', { where: path, code: refusal.code, error: thrown });
    return statusOf(grpc, thrown);
  };
  const handlers: [string, Unary][] = SMALL_METHODS.map(({ path, answer }) => [
    path,
    ({ request }, done) => {
      let message: Uint8Array;
      try {
        message = answer(door, request);
      } catch (error) {
        done(refuse(error, path));
        return;
      }
      done(null, message);
    },
  ]);
  handlers.push([INFER_PATH, inferHandler(grpc, door, limits, visits, refuse)]);
  for (const [path, handle] of handlers) server.addService(serviceOf(path), { call: handle });
  const port = await listen(grpc, server, options);
  limitConnections(server, limits);
  return {
    port,
    stop: () => server.tryShutdown(() => {}),
    async cut() {
      server.forceShutdown();
      pace.close();
    },
  };
}

/** Messages pass as they are: what is wrong with them is said by us, not by the transport. */
function serviceOf(path: string): Grpc.ServiceDefinition {
  const same = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    call: {
      ...{ path, requestStream: false, responseStream: false },
      ...{
        requestSerialize: same,
        requestDeserialize: same,
        responseSerialize: same,
        responseDeserialize: same,
      },
    },
  };
}

function inferHandler(
  grpc: typeof Grpc,
  door: Door,
  limits: GrpcLimits,
  visits: WeakMap<Grpc.Metadata, Visit>,
  refuse: (thrown: unknown, path: string) => Partial<Grpc.StatusObject>,
): Unary {
  return (call, done) => {
    const { guest, arrival } = visits.get(call.metadata)!;
    const deadline = Number(call.getDeadline());
    const trace = call.metadata.get('traceparent')[0];
    const asking = {
      ...{ message: call.request, guest, arrival },
      timeoutMs: Number.isFinite(deadline)
        ? deadline - Date.now() + (performance.now() - arrival)
        : undefined,
      traceparent: typeof trace === 'string' ? trace : undefined,
      onGone: (listener: () => void) => {
        if (call.cancelled) listener();
        else call.once('cancelled', listener);
      },
    };
    inferGrpc(door, limits, asking).then(
      ({ message, costs }) => done(null, message, metadataOf(grpc, costs)),
      (error: unknown) => done(refuse(error, INFER_PATH)),
    );
  };
}

/** Who may come in is decided by the head of a call, before its message is read. */
function entry(
  grpc: typeof Grpc,
  door: Door,
  pace: Pace,
  visits: WeakMap<Grpc.Metadata, Visit>,
): Grpc.ServerInterceptor {
  const open = new Set(SMALL_METHODS.filter((method) => method.open).map(({ path }) => path));
  return ({ path }, call) => {
    const arrival = performance.now();
    let guest: Guest | undefined;
    let unwatch = () => {};
    const over = () => {
      unwatch();
      guest?.leave();
    };
    return new grpc.ServerInterceptingCall(call, {
      start(next) {
        next({
          onReceiveMetadata(metadata, pass) {
            try {
              if (!open.has(path)) guest = door.enter(keyOf(metadata));
            } catch (error) {
              call.sendStatus(statusOf(grpc, error));
              return;
            }
            if (guest !== undefined) visits.set(metadata, { guest, arrival });
            const late = (error: Error) => call.sendStatus(statusOf(grpc, error));
            const stop = pace.body({ startedAt: arrival, bytes: 0, late });
            unwatch = () => void stop();
            pass(metadata);
          },
          onReceiveMessage(message, pass) {
            unwatch();
            pass(message);
          },
          onCancel: over,
        });
      },
      sendStatus(status, next) {
        over();
        next(status);
      },
    });
  };
}

function keyOf(metadata: Grpc.Metadata): string | undefined {
  const text = (name: string) => {
    const [value] = metadata.get(name);
    return typeof value === 'string' ? value : undefined;
  };
  return credentialOf(text('authorization'), text('x-api-key'));
}

function statusOf(grpc: typeof Grpc, thrown: unknown): Grpc.StatusObject {
  const { message, code, grpc: status, retryAfterMs } = refusalOf(thrown);
  const metadata = metadataOf(grpc, {
    'x-modicum-code': code,
    ...(retryAfterMs !== undefined && { 'retry-after-ms': String(Math.ceil(retryAfterMs)) }),
  });
  return { code: status, details: message, metadata };
}

function metadataOf(grpc: typeof Grpc, values: Readonly<Record<string, string>>): Grpc.Metadata {
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(values)) metadata.set(name, value);
  return metadata;
}

function listen(grpc: typeof Grpc, server: Grpc.Server, { host, port, tls }: GrpcOptions): Promise<number> {
  const address = host.includes(':') && !host.startsWith('[') ? `[${host}]:${port}` : `${host}:${port}`;
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentialsOf(grpc, tls), (cause, bound) => {
      if (cause === null) resolve(bound);
      else reject(fail('SERVER_NOT_STARTED', `gRPC at ${address}: ${messageOf(cause)}`, { address }, cause));
    });
  });
}
