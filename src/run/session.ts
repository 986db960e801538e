import type { DType, Shape, Tensor } from '../graph/index.ts';

/** A named input or output of a session. */
export interface Port {
  readonly name: string;
  readonly dtype: DType;
  /** Symbolic dimensions by name, unknown ones as null. */
  readonly shape: Shape;
}

/** Named tensors in. */
export type Feeds = Readonly<Record<string, Tensor>>;
/** Named tensors out. */
export type Fetches = Record<string, Tensor>;

export interface RunOptions {
  /** Only these outputs. Default: all. */
  readonly outputs?: readonly string[];
  readonly signal?: AbortSignal;
  /** Gives the buffers of the feeds away instead of copying them; the feeds are unusable afterwards. */
  readonly transfer?: boolean;
}

/** The one port: whatever answers named tensors with named tensors. */
export interface Session {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** What the model says of itself (metadata_props, producer), and what answers. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Throws FEED_MISMATCH, RUNTIME_FAILED, WORKER_CRASHED, SESSION_CLOSED. Concurrent calls are allowed. */
  run(feeds: Feeds, options?: RunOptions): Promise<Fetches>;
  /** Frees everything. Calls under way are refused with SESSION_CLOSED. Safe to call twice. */
  dispose(): Promise<void>;
}
