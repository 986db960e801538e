/** Sizes of a decoder of the Llama family. */
export interface LlamaConfig {
  /** Width of the hidden state. */
  readonly dim: number;
  /** Width inside of the feed-forward block. */
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  /** Heads of keys and values; heads / kvHeads queries share one. */
  readonly kvHeads: number;
  readonly vocab: number;
  /** The most tokens of a sequence. */
  readonly positions: number;
}

/** Weights of one layer, row-major; a matrix [out, in] maps in to out. */
export interface LlamaLayer {
  /** [dim] */
  readonly attentionNorm: Float32Array;
  /** [heads * head size, dim] */
  readonly query: Float32Array;
  /** [kvHeads * head size, dim] */
  readonly key: Float32Array;
  /** [kvHeads * head size, dim] */
  readonly value: Float32Array;
  /** [dim, heads * head size] */
  readonly output: Float32Array;
  /** [dim] */
  readonly feedNorm: Float32Array;
  /** [hidden, dim] */
  readonly gate: Float32Array;
  /** [dim, hidden] */
  readonly down: Float32Array;
  /** [hidden, dim] */
  readonly up: Float32Array;
}

export interface LlamaWeights {
  readonly config: LlamaConfig;
  /** [vocab, dim] */
  readonly embedding: Float32Array;
  readonly layers: readonly LlamaLayer[];
  /** [dim] */
  readonly norm: Float32Array;
  /** [vocab, dim]; the embedding itself where the two are shared. */
  readonly classifier: Float32Array;
}

/** Of every RMSNorm. */
export const NORM_EPSILON = 1e-5;
/** Base of the rotary frequencies. */
export const ROPE_BASE = 10_000;

/** Numbers of one head. */
export function headSize({ dim, heads }: LlamaConfig): number {
  return dim / heads;
}
