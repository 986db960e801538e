import { fail, type Progress, SILENT } from '../../base/index.ts';
import type { Model } from '../../graph/index.ts';
import type { SessionSettings } from '../../run/index.ts';
import { NormalEquations } from '../../transform/index.ts';
import { cutDecoder, type ExitMap } from './cut.ts';
import { readStates } from './states.ts';

export interface FitMapsOptions {
  /** Layers after which a token may leave. */
  readonly exits: readonly number[];
  /** Pulls a map towards the identity, as a share of the mean square of the hidden state. Default 1e-4. */
  readonly ridge?: number;
  readonly settings?: Partial<SessionSettings>;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

/** A map for an exit, and how well it does. */
export interface FittedMap extends ExitMap {
  /** Squares of the final hidden state that the map misses, as a share: 0 is perfect. On the texts it was fitted to. */
  readonly missed: number;
}

/**
 * Fits for each exit the affine map from its hidden state to that after the last layer, by least squares over all tokens of some texts
 * (token numbers, the beginning included). The norm and classifier of the model then read what the map makes. Throws NOT_GENERATIVE,
 * USAGE_BAD_OPTION, DATA_EMPTY.
 */
export async function fitExitMaps(
  model: Model,
  texts: readonly (readonly number[])[],
  options: FitMapsOptions,
): Promise<FittedMap[]> {
  const { exits, ridge = 1e-4, settings = { threads: 1 }, progress = SILENT, signal } = options;
  const { stages, dim } = await cutDecoder(model, { exits });
  const sums = exits.map(() => new NormalEquations(dim + 1, dim));
  const stage = progress.stage('Fitting exits', texts.length);
  try {
    for await (const states of readStates(stages, texts, dim, { settings, signal })) {
      const last = states.at(-1)!;
      for (const [e, sum] of sums.entries()) {
        for (let at = 0; at < last.length; at += dim) {
          sum.add(
            (unknown) => (unknown < dim ? states[e]![at + unknown]! : 1),
            (target) => last[at + target]!,
          );
        }
      }
      stage.advance();
    }
  } finally {
    stage.end();
  }
  if (sums[0]!.rows === 0) throw fail('DATA_EMPTY', 'there are no texts to fit exits to');
  return sums.map((sum) => solved(sum, dim, ridge));
}

function solved(sum: NormalEquations, dim: number, ridge: number): FittedMap {
  const prior = new Float64Array(dim * (dim + 1));
  for (let i = 0; i < dim; i++) prior[i * (dim + 1) + i] = 1;
  const found = sum.solve(prior, ridge);
  const weight = new Float32Array(dim * dim);
  const bias = new Float32Array(dim);
  for (let row = 0; row < dim; row++) {
    for (let column = 0; column < dim; column++) {
      weight[row * dim + column] = found[row * (dim + 1) + column]!;
    }
    bias[row] = found[row * (dim + 1) + dim]!;
  }
  return { weight, bias, missed: sum.error(found) };
}
