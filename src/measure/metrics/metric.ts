import type { Tensor } from '../../graph/index.ts';

/** What a metric sees of one batch. */
export interface Observed {
  /** Outputs of the model under test, [samples, ...] each. */
  readonly outputs: Readonly<Record<string, Tensor>>;
  readonly labels?: Tensor;
  /** Outputs of the model it is compared with, for fidelity. */
  readonly reference?: Readonly<Record<string, Tensor>>;
  readonly samples: number;
}

/**
 * A metric in two halves, so that any of them can be resampled: a few numbers per sample, and the figure of a set of
 * samples. Paired intervals of any metric follow from that alone.
 */
export interface Metric {
  readonly name: string;
  /** One line for --help and the docs. */
  readonly summary: string;
  readonly needs: { readonly labels: boolean; readonly reference: boolean };
  readonly higherIsBetter: boolean;
  /** '%' for shares (value in 0..100), 'dB', 'nat', '1', ... A `--max-drop` is given in this unit. */
  readonly unit: string;
  /** Numbers per sample. */
  readonly width: number;
  /** True where a row is one 0 or 1 and the figure its mean: exact binomial intervals apply. */
  readonly proportion: boolean;
  /** Appends `samples * width` numbers to `rows`. Throws METRIC_UNFIT, DATA_NO_LABELS. */
  rows(observed: Observed, rows: number[]): void;
  /** The figure over some samples (numbers into rows, repeats allowed) or over all of them. */
  aggregate(rows: Float64Array, chosen?: Uint32Array): number;
}
