import type { Dataset } from '../src/data/index.ts';

/** Data as a benchmark of training uses it: settings are chosen on `validation`, results are stated on `test`. */
export interface Parts {
  readonly train: Dataset;
  readonly validation: Dataset;
  readonly test: Dataset;
}
