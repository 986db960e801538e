import type { DType, Tensor } from '../graph/index.ts';

/** A named array of the data: one per input of the model, as a rule. */
export interface Field {
  readonly name: string;
  readonly dtype: DType;
  /** Shape of one sample, without the sample axis. */
  readonly dims: readonly number[];
}

/** Some samples: every tensor has them on its first axis. */
export interface Batch {
  /** Which samples of the dataset these are. */
  readonly indices: readonly number[];
  /** By field name: [samples, ...field.dims]. */
  readonly feeds: Readonly<Record<string, Tensor>>;
  /** [samples, ...]: class numbers (int64 or int32), or what the metric wants. */
  readonly labels?: Tensor;
}

export interface ReadOptions {
  /** Samples per batch; the last may hold fewer. Default 32. */
  readonly batch?: number;
  /** Only these samples, ascending. Default: all. */
  readonly indices?: readonly number[] | Uint32Array;
  /** Only these fields; none: the labels alone, without decoding a sample. Default: all. */
  readonly fields?: readonly string[];
  readonly signal?: AbortSignal;
}

/** Samples in a fixed order, streamed: memory holds a few batches, whatever the size. */
export interface Dataset {
  /** Where it comes from, for people. */
  readonly name: string;
  /** Number of samples. */
  readonly size: number;
  readonly fields: readonly Field[];
  /** What labels there are, if any. */
  readonly labels?: {
    readonly dtype: DType;
    readonly dims: readonly number[];
    readonly classes?: readonly string[];
  };
  /** Parts that the data itself declares (folders train and test, an array named part), by name. */
  readonly parts?: Readonly<Record<string, Uint32Array>>;
  /** Reads in ascending order; may be called again, and concurrently. Throws DATA_DAMAGED and the like. */
  read(options?: ReadOptions): AsyncIterable<Batch>;
}
