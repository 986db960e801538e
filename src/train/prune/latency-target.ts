import { Random } from '../../base/index.ts';
import { type Model, Tensor } from '../../graph/index.ts';
import { comparePaired } from '../../measure/index.ts';
import { type Feeds, openSession, type Port } from '../../run/index.ts';

export interface CutLatencyOptions {
  /** Samples a call. Default 1. */
  readonly batch?: number;
  readonly threads?: number;
  /** Seconds of each race. Default 1. */
  readonly seconds?: number;
  readonly seed?: number;
  readonly signal?: AbortSignal;
}

/** Time of a call of `model` over that of `original`, measured in turns within one run on this machine; below 1 is faster. */
export async function latencyRatio(
  original: Model,
  model: Model,
  options: CutLatencyOptions = {},
): Promise<number> {
  const { batch = 1, threads, seconds = 1, seed = 0, signal } = options;
  const settings = threads === undefined ? {} : { threads };
  const sessions = [await openSession(original, settings), await openSession(model, settings)] as const;
  try {
    const contestants = sessions.map((session, i) => ({
      name: i === 0 ? 'original' : 'cut',
      session,
      feeds: [noiseFor(session.inputs, batch, seed)],
      samplesPerRun: batch,
    }));
    const { contestants: compared } = await comparePaired(contestants, {
      seconds,
      slice: 0.03,
      seed,
      signal,
    });
    return compared[1]!.latencyRatio.value;
  } finally {
    await Promise.all(sessions.map((session) => session.dispose()));
  }
}

/** Random feeds: the time of a net without branches does not depend on the numbers. Ids are 0. */
function noiseFor(inputs: readonly Port[], batch: number, seed: number): Feeds {
  const random = new Random(seed + 1);
  return Object.fromEntries(
    inputs.map(({ name, dtype, shape = [] }) => {
      const dims = shape.map((dim, i) => (typeof dim === 'number' ? dim : i === 0 ? batch : 1));
      const size = dims.reduce((all, dim) => all * dim, 1);
      const tensor =
        dtype === 'float32'
          ? Tensor.float32(
              dims,
              Float32Array.from({ length: size }, () => random.normal()),
            )
          : dtype === 'int32'
            ? Tensor.of('int32', dims, new Int32Array(size))
            : Tensor.int64(dims, new Array<number>(size).fill(0));
      return [name, tensor];
    }),
  );
}

/**
 * The largest share of the MACs that may stay so that a call takes at most `target` of the original's time: cut by halving, each cut
 * measured. MACs are not speed; this is why it is measured. Returns undefined where even the smallest cut that is tried is too slow.
 */
export async function shareForLatency(
  original: Model,
  target: number,
  cutTo: (share: number) => Model,
  options: CutLatencyOptions = {},
  tried: (share: number, ratio: number) => void = () => {},
): Promise<number | undefined> {
  let [low, high] = [0, 1];
  for (let i = 0; i < 6; i++) {
    const share = i === 0 ? target : (low + high) / 2;
    const ratio = await latencyRatio(original, cutTo(share), options);
    tried(share, ratio);
    if (ratio <= target) low = share;
    else high = share;
  }
  return low === 0 ? undefined : low;
}
