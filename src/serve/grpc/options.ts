import type { Door, DoorOptions } from '../door/door.ts';
import type { Certificates } from '../security/certificates.ts';

/** What a client may ask of the server's memory and patience. Times in ms. */
export interface GrpcLimits {
  /** Of a whole message. */
  readonly messageBytes: number;
  /** Of a message without its raw contents: typed contents take many times their bytes when they are read, on the thread of I/O. */
  readonly typedBytes: number;
  /** Inputs and outputs that a request names, each. */
  readonly tensors: number;
  /** Of an input. */
  readonly dims: number;
  /** Until the message of a call has come. */
  readonly messageMs: number;
  readonly connections: number;
  /** Calls of a connection at once. */
  readonly streams: number;
  /** Bytes that a connection may have under way to us: with the usual 64 KiB large tensors wait for the network at each step. */
  readonly windowBytes: number;
  /** A connection without a call is kept so long. */
  readonly idleMs: number;
  /** Between pings; a client that does not answer one within a third of this is gone. */
  readonly pingMs: number;
}

export const GRPC_LIMITS: GrpcLimits = {
  messageBytes: 64 * 2 ** 20,
  typedBytes: 8 * 2 ** 20,
  tensors: 256,
  dims: 16,
  messageMs: 120_000,
  connections: 1000,
  streams: 128,
  windowBytes: 16 * 2 ** 20,
  idleMs: 300_000,
  pingMs: 60_000,
};

export interface GrpcOptions extends DoorOptions {
  /** Where it listens, such as 127.0.0.1. */
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** Shared with the other protocols; else one is made of the options. */
  readonly door?: Door;
  readonly limits?: Partial<GrpcLimits>;
  readonly tls?: Certificates;
}
