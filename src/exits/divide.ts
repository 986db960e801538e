import { type Dataset, keptApart, split, subset } from '../data/index.ts';

/** Samples by what they are for. Nothing that was looked at for one purpose serves another. */
export interface ExitParts {
  /** Heads learn from it. */
  readonly training: Dataset;
  /** Places, temperatures and the path of thresholds are chosen on it. */
  readonly tuning: Dataset;
  /** The promise is tested on it, once. */
  readonly certification: Dataset;
  /** What came out is reported on it. */
  readonly test: Dataset;
  /** How the data were divided, in words. */
  readonly rule: string;
}

export type ProofParts = Omit<ExitParts, 'training'>;

/** Shares of the data that are given to prove with. The certificate needs most: its power grows with its samples. */
const TUNING = 0.25;
const CERTIFICATION = 0.5;
/** Share of all for training where no training data are given. */
const TRAINING = 0.4;

/**
 * Divides data by a seeded rule, each class evenly. Training data, where given, are kept apart from the rest by content; else a part
 * of the data is used up for training. Throws DATA_TOO_FEW.
 */
export async function divide(
  data: Dataset,
  trainingData: Dataset | undefined,
  options: { readonly seed: number; readonly signal?: AbortSignal },
): Promise<ExitParts> {
  const { seed, signal } = options;
  if (trainingData !== undefined) {
    const { dataset: training, shared } = await keptApart(trainingData, data, signal);
    const left = shared === 0 ? '' : `, ${shared} left out because they are in ${data.name} too`;
    return {
      training,
      ...(await three(data, seed, `${training.size} to train (${trainingData.name})${left}; `, signal)),
    };
  }
  const first = await split(data, { seed, calibration: TRAINING, search: 0, signal });
  const training = subset(data, first.indices.calibration, `${data.name} (training)`);
  const rest = subset(data, first.indices.heldOut, data.name);
  return { training, ...(await three(rest, seed + 1, `${training.size} to train; `, signal)) };
}

/** Divides data where nothing is learnt from them: to tune, to certify and to test. Throws DATA_TOO_FEW. */
export function divideToProve(
  data: Dataset,
  { seed, signal }: { readonly seed: number; readonly signal?: AbortSignal },
): Promise<ProofParts> {
  return three(data, seed, '', signal);
}

async function three(
  data: Dataset,
  seed: number,
  words: string,
  signal: AbortSignal | undefined,
): Promise<ProofParts> {
  const parts = await split(data, { seed, calibration: TUNING, search: CERTIFICATION, signal });
  const named = (part: Dataset, name: string): Dataset => ({ ...part, name: `${data.name} (${name})` });
  const { calibration, search, heldOut } = parts;
  return {
    tuning: named(calibration, 'tuning'),
    certification: named(search, 'certification'),
    test: named(heldOut, 'test'),
    rule: `${words}${calibration.size} to tune, ${search.size} to certify, ${heldOut.size} to test; seed ${seed}`,
  };
}

/** Samples spread evenly over a dataset, at most so many. */
export function spread(data: Dataset, most: number): Dataset {
  if (data.size <= most) return data;
  return subset(
    data,
    Array.from({ length: most }, (_, i) => Math.floor((i * data.size) / most)),
  );
}
