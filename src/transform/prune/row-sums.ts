import { Random } from '../../base/index.ts';
import type { Model, Tensor } from '../../graph/index.ts';
import { beside } from './beside.ts';
import type { Capture } from './capture.ts';
import { NormalEquations } from './normal-equations.ts';

/** Rows of two tensors that belong together. */
export interface Rows {
  readonly count: number;
  x(row: number): (unknown: number) => number;
  y(row: number): (column: number) => number;
}

/** Two values that are compared: what is read in one model, and what is wanted in another. */
export interface Pair {
  readonly small: Model;
  readonly input: string;
  readonly original: Model;
  readonly wanted: string;
}

/** Multiply-adds that the sums of one layer may take, about: some seconds. Rows are left out for it, down to LEAST_ROWS an unknown. */
const MOST_WORK = 8e9;
const LEAST_ROWS = 8;

/**
 * Sums over rows to fit by, and over a fifth of them to judge by, of the least-squares problem `columns` of wanted = W input. Rows are
 * drawn at random, about `rowsPerUnknown` for each unknown. With `constant` the last unknown is always one.
 */
export async function rowSums(
  { small, input, original, wanted }: Pair,
  rowsIn: (x: Tensor, y: Tensor) => Rows | undefined,
  { unknowns, constant, columns }: { unknowns: number; constant: boolean; columns: readonly number[] },
  capture: Capture,
  { rowsPerUnknown, seed }: { readonly rowsPerUnknown: number; readonly seed: number },
): Promise<[NormalEquations, NormalEquations]> {
  const sums = [0, 1].map(() => new NormalEquations(unknowns, columns.length)) as [
    NormalEquations,
    NormalEquations,
  ];
  const pair = beside(small, input, original, wanted);
  const random = new Random(seed);
  const inputs = constant ? unknowns - 1 : unknowns;
  const affordable = Math.max(LEAST_ROWS * unknowns, MOST_WORK / unknowns ** 2);
  const perSample = Math.min(rowsPerUnknown * unknowns, affordable) / Math.max(1, capture.samples);
  await capture.run(pair.model, (outputs, samples) => {
    const rows = rowsIn(outputs[pair.first]!, outputs[pair.second]!);
    // Rows that do not meet cannot be compared: an axis besides the channels was cut.
    if (rows === undefined) return;
    const chance = (perSample * samples) / rows.count;
    for (let row = 0; row < rows.count; row++) {
      if (random.uniform() >= chance) continue;
      const [from, to] = [rows.x(row), rows.y(row)];
      sums[random.uniform() < 0.2 ? 1 : 0].add(
        (i) => (i === inputs ? 1 : from(i)),
        (i) => to(columns[i]!),
      );
    }
  });
  return sums;
}
