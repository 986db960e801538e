import { fail, type Progress, SILENT, throwIfAborted } from '../../base/index.ts';
import { type Model, Tensor } from '../../graph/index.ts';
import { openSession, type Session, type SessionSettings } from '../../run/index.ts';
import { NormalEquations } from '../../transform/index.ts';
import { feedsOf } from '../reader.ts';
import { cutDecoder, type ExitMap, HIDDEN, HIDDEN_IN, stageForm } from './cut.ts';

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
  const sessions: Session[] = [];
  const stage = progress.stage('Fitting exits', texts.length);
  try {
    for (const piece of stages) sessions.push(await openSession(piece, settings));
    const readers = await Promise.all(stages.map(async (piece, i) => readerOf(piece, sessions[i]!)));
    for (const text of texts) {
      throwIfAborted(signal);
      const states: Float32Array[] = [];
      for (const read of readers) states.push(await read(text, states.at(-1), dim));
      const last = states.at(-1)!;
      for (const [e, sum] of sums.entries()) {
        for (let row = 0; row < text.length; row++) {
          const at = row * dim;
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
    await Promise.all(sessions.map((session) => session.dispose()));
  }
  if (sums[0]!.rows === 0) throw fail('DATA_EMPTY', 'there are no texts to fit exits to');
  return sums.map((sum) => solved(sum, dim, ridge));
}

type Reader = (
  text: readonly number[],
  hidden: Float32Array | undefined,
  dim: number,
) => Promise<Float32Array>;

/** Reads a whole text with a piece: the hidden state after it, [tokens, dim]. */
async function readerOf(piece: Model, session: Session): Promise<Reader> {
  const form = await stageForm(piece);
  return async (text, hidden, dim) => {
    const feeds: Record<string, Tensor> = { ...feedsOf(form, [text], 0, [0]) };
    if (hidden !== undefined) feeds[HIDDEN_IN] = Tensor.float32([1, text.length, dim], hidden);
    for (const { name, dtype, shape } of session.inputs) {
      if (!(name in form.carry)) continue;
      const dims = shape!.map((size, axis) => (axis === form.axis ? 0 : typeof size === 'number' ? size : 1));
      feeds[name] = Tensor.ofBytes(dtype, dims, new Uint8Array());
    }
    const found = await session.run(feeds, { outputs: [HIDDEN] });
    return found[HIDDEN]!.as('float32');
  };
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
