import type { Door, DoorOptions } from '../door/door.ts';
import type { Certificates } from '../security/certificates.ts';

/** What a client may ask of the server's memory and patience. Times in ms. */
export interface RestLimits {
  /** Of a whole body. */
  readonly bodyBytes: number;
  /** Of the JSON in a body: as text it takes several times its tensors' memory, and far more time. */
  readonly jsonBytes: number;
  /** Inputs and outputs that a request names, each. */
  readonly tensors: number;
  /** Of an input. */
  readonly dims: number;
  /** JSON bodies and answers up to this size are read and written at once; larger ones away from the thread of I/O. */
  readonly inlineBytes: number;
  /** All header lines of a request. */
  readonly headerBytes: number;
  /** Until all header lines have come. */
  readonly headerMs: number;
  /** Until the whole body has come. */
  readonly bodyMs: number;
  /** A body that is slower than this on average, after its first 5 s, is given up. */
  readonly bytesPerSecond: number;
  /** Until a client has read its answer. */
  readonly answerMs: number;
  /** A connection without a request is kept so long. Load balancers should give up before: many wait 60 s. */
  readonly idleMs: number;
  readonly connections: number;
  /** Requests of one connection that wait for their answers. */
  readonly pipelined: number;
}

export const REST_LIMITS: RestLimits = {
  bodyBytes: 64 * 2 ** 20,
  jsonBytes: 32 * 2 ** 20,
  tensors: 256,
  dims: 16,
  inlineBytes: 64 * 1024,
  headerBytes: 16 * 1024,
  headerMs: 10_000,
  bodyMs: 120_000,
  bytesPerSecond: 4096,
  answerMs: 60_000,
  idleMs: 72_000,
  connections: 10_000,
  pipelined: 32,
};

/** Loading and unloading by clients: off unless it is given. */
export interface Management {
  load(model: string): Promise<void>;
  unload(model: string): Promise<void>;
}

export interface RestOptions extends DoorOptions {
  /** Shared with the other protocols; else one is made of the options. */
  readonly door?: Door;
  readonly limits?: Partial<RestLimits>;
  readonly tls?: Certificates;
  /** Origins whose pages may ask, such as https://example.org; "*" for all. Default: none. */
  readonly origins?: readonly string[];
  readonly management?: Management;
  /** Threads that read and write large JSON. Default: 1. */
  readonly jsonThreads?: number;
  /** Whether proxies in front are to be believed about the address of the client. Default: no. */
  readonly trustProxy?: boolean;
}
