import type { Tensor } from '../graph/index.ts';
import type { Feeds, Fetches, Port } from '../run/index.ts';

/**
 * The ports inside of the server, by which its parts know each other:
 * a protocol (rest/, grpc/) asks the `Models` for a `Served` model, takes a `Ticket` of it, fills it, and gets an `Answered`;
 * a `Served` model batches tickets (batch/) over an `Engine` (compute/); whatever happens is told to the `Observer` (observe/).
 */

/** What a request asks for, before its tensors are there. */
export interface Ask {
  /** Of every input that will come: the shape as the client says it. */
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  /** Only these outputs. Default: all. */
  readonly outputs?: readonly string[];
  /** When the answer is worth nothing any more, ms on the clock of performance.now(). Default: arrival plus the model's own goal. */
  readonly deadline?: number;
  /** 1 is the most urgent; 0 means the model's default (Triton's schedule_policy). */
  readonly priority?: number;
  /** Fires when the client is gone: work not yet begun is dropped. */
  readonly signal?: AbortSignal;
  /** A stream: its state lives on one instance between `start` and `end`. */
  readonly sequence?: Sequence;
  /** Name of the API key, for metering. */
  readonly key?: string;
  /** Trace context of the client (W3C traceparent). */
  readonly traceparent?: string;
}

export interface Sequence {
  readonly id: string;
  readonly start: boolean;
  readonly end: boolean;
}

/** A place in a coming batch. It is filled while the bytes arrive, then submitted, or given back. */
export interface Ticket {
  /** Bytes that an input takes; undefined for strings, which only `give` carries. */
  bytesOf(input: string): number | undefined;
  /** Copies bytes (row-major, little-endian) to their place `at` bytes from the start of the input. Throws FEED_MISMATCH where they do not fit. */
  write(input: string, at: number, bytes: Uint8Array): void;
  /** A whole input at once. Throws FEED_MISMATCH. */
  give(input: string, tensor: Tensor): void;
  /**
   * All inputs are there. Throws (rejects) DEADLINE_MISSED, OVERLOADED, RUNTIME_FAILED, WORKER_CRASHED, CANCELLED, FEED_MISMATCH
   * (an input is missing or not filled).
   */
  submit(): Promise<Answered>;
  /** Gives the place back, if it was not submitted. Safe to call always. */
  cancel(): void;
}

export interface Answered {
  readonly fetches: Fetches;
  readonly meter: Meter;
}

/** What one request has cost. Shares of a batch are by samples. */
export interface Meter {
  /** The version that answered. */
  readonly version: string;
  /** ms between arrival (the ticket was taken) and the start of its batch. */
  readonly queueMs: number;
  /** ms that the batch was computed, wall clock at the engine: the whole batch's, since the request waited for all of it. */
  readonly computeMs: number;
  /** CPU seconds of this request: the share of the batch's. */
  readonly cpuSeconds: number;
  /** Samples of the batch that it was in, and its own. */
  readonly batch: number;
  readonly samples: number;
  /** Early exits: at which stage the (last of the) samples left, counted from 0. */
  readonly exit?: number;
  /** Answered from the response cache: no compute. */
  readonly cached?: boolean;
  /** It had to be computed again because a worker died. */
  readonly retried?: boolean;
}

/** One version of one model, ready to answer. */
export interface Served {
  readonly name: string;
  readonly version: string;
  readonly platform: string;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** The axis of the samples by input; undefined: the input belongs to the whole call, and such requests are not batched. */
  readonly sampleAxis: Readonly<Record<string, number | undefined>>;
  /** Labels of the classes, title and the like, for the try-it form. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Throws OVERLOADED (with data.retryAfterMs), FEED_MISMATCH, MODEL_NOT_READY. */
  take(ask: Ask): Ticket;
  readonly state: () => ServedState;
}

/** What the dashboard and the metrics show of a served model; counters since it was loaded. */
export interface ServedState {
  readonly ready: boolean;
  readonly queued: number;
  readonly inFlight: number;
  /** Copies that compute at the same time. */
  readonly instances: number;
  /** Learned: ms of a batch by its size, mean and a high quantile. */
  readonly curve: readonly {
    readonly batch: number;
    readonly mean: number;
    readonly high: number;
    readonly seen: number;
  }[];
  /** ms: the goal that requests without a deadline have. */
  readonly goalMs: number;
  readonly maxBatch: number;
}

/** What a batch is computed by, away from the thread of I/O. A Session that says what a run has cost. */
export interface Engine {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly metadata: ReadonlyMap<string, string>;
  /** Runs at the same time. */
  readonly lanes: number;
  /** Whether it lives in another process, which can be killed without harm; feeds are then kept until the answer. */
  run(feeds: Feeds, options?: EngineRun): Promise<Computed>;
  dispose(): Promise<void>;
}

export interface EngineRun {
  readonly outputs?: readonly string[];
  readonly signal?: AbortSignal;
  /** Samples in the feeds, for the log. */
  readonly samples?: number;
}

export interface Computed {
  readonly fetches: Fetches;
  /** ms of the run itself, where it was computed. */
  readonly computeMs: number;
  /** CPU seconds of the run, all threads. */
  readonly cpuSeconds: number;
  readonly retried?: boolean;
}

/** What the protocols know of the models. */
export interface Models {
  /** Names in order. */
  names(): readonly string[];
  /** Versions of a model that are there, the newest last. Throws MODEL_UNKNOWN. */
  versions(name: string): readonly string[];
  /**
   * Who answers: the version asked for, else the default, or by its share a canary. Throws MODEL_UNKNOWN, MODEL_NOT_READY.
   * `release` must be called when the request is answered: a version that leaves waits for it.
   */
  lease(name: string, version?: string): { readonly served: Served; release(): void };
  /** True when all models answer and the server is not draining. */
  ready(): boolean;
  /** For the dashboard and Triton's repository index: all versions with their state. */
  index(): readonly {
    readonly name: string;
    readonly version: string;
    readonly state: 'READY' | 'LOADING' | 'UNLOADING' | 'UNAVAILABLE';
    readonly reason: string;
    readonly share: number;
  }[];
}

/** What happened to one request, for metrics, logs, traces and the bill. */
export interface Happened {
  readonly protocol: 'rest' | 'grpc';
  readonly model: string;
  readonly version: string;
  readonly key: string | undefined;
  /** HTTP status, or its equivalent for gRPC. */
  readonly status: number;
  /** Code of the catalogue where it failed. */
  readonly code?: string;
  /** ms from the first byte of the request to the last of the answer handed to the socket. */
  readonly totalMs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly meter?: Meter;
  readonly id?: string;
  readonly traceparent?: string;
  /** ms since 1970. */
  readonly startedAt: number;
}

/** Events that metrics count by themselves; facts have `model` (and `version`) where they are of one. Other kinds are logged and shown alike. */
export type EventKind =
  /** A compute worker died unasked; it is started again. */
  | 'worker-died'
  /** A worker was replaced on purpose, so that its memory returns. */
  | 'worker-recycled'
  | 'model-loaded'
  /** facts.error says why. */
  | 'model-load-failed'
  | 'model-unloaded';

export interface Observer {
  /** A request has been answered or refused. */
  request(happened: Happened): void;
  /** A batch was computed. */
  batch(of: {
    model: string;
    version: string;
    size: number;
    computeMs: number;
    cpuSeconds: number;
    queueMs: number;
  }): void;
  /** Something that an operator should know: a worker died, a model was loaded, a reload failed. */
  event(kind: EventKind | (string & {}), facts: Readonly<Record<string, unknown>>): void;
  /** Headers of an answer that say what it has cost (x-modicum-*). */
  headers(model: string, meter: Meter): Record<string, string>;
}
