import type { ServerHttp2Session } from 'node:http2';
import type { Server } from '@grpc/grpc-js';
import type { GrpcLimits } from './options.ts';

/**
 * Options of HTTP/2 that @grpc/grpc-js has no names for. It keeps what it gives to node:http2 in a field of its own; where that is not
 * there any more, the defaults of node hold, and the tests say so.
 */
export function limitHttp2(server: Server, { streams, windowBytes }: GrpcLimits): void {
  const options: unknown = Reflect.get(server, 'commonServerOptions');
  if (typeof options !== 'object' || options === null) return;
  Object.assign(options, {
    settings: {
      maxConcurrentStreams: streams,
      initialWindowSize: windowBytes,
      maxHeaderListSize: 16 * 1024,
      enablePush: false,
    },
    // Frames that break the rules, and streams beyond those allowed, until the connection is closed.
    maxSessionInvalidFrames: 100,
    maxSessionRejectedStreams: 100,
    maxHeaderListPairs: 64,
    maxOutstandingPings: 4,
    maxSettings: 16,
    unknownProtocolTimeout: 5000,
  });
}

interface Listening {
  maxConnections: number;
  on(event: 'session', listener: (session: ServerHttp2Session) => void): unknown;
}

/** What can be said only to servers that listen: how many connections, and how much each may have under way. */
export function limitConnections(server: Server, { connections, windowBytes }: GrpcLimits): void {
  const servers: unknown = Reflect.get(server, 'http2Servers');
  if (!(servers instanceof Map)) return;
  for (const one of servers.keys() as Iterable<Listening>) {
    one.maxConnections = connections;
    one.on('session', (session) => {
      // The window of a stream is a setting, that of the whole connection is not.
      session.setLocalWindowSize(windowBytes);
    });
  }
}
