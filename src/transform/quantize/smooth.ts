import { fail } from '../../base/index.ts';
import { type Model, removeDead, sortNodes } from '../../graph/index.ts';
import type { DeclaredError, Pass, PassContext, PassNote, PassResult } from '../pass.ts';
import {
  applyFactors,
  type ChannelGroup,
  channelGroups,
  factorsInWords,
  weightNow,
} from './channel-factors.ts';
import { type ChannelStatistics, channelStatistics } from './channel-ranges.ts';
import { excluder, type Selection } from './selection.ts';
import { withNames } from './static.ts';

export interface SmoothOptions extends Selection {
  /** How much of the unevenness goes from the activations into the weights: 0 none, 1 all; search tries 20 for each value. */
  readonly alpha: number | 'search';
  /** pays: where nothing can take the factors, a Mul of its own where it saves 3 dB; never: such values stay as they are. */
  readonly explicit: 'pays' | 'never';
  /** Weights of fewer elements stay as they are. */
  readonly least: number;
  /** Samples per run, and at most so many samples in all, evenly spread. */
  readonly batch: number;
  readonly samples: number;
}

/** What factors must save, in dB of the noise that 8 bits are expected to make: anything worth a note, and the price of a Mul. */
const WORTH = 0.1;
const WORTH_A_MUL = 3;

/**
 * SmoothQuant (Xiao et al. 2023): where some channels of an activation are far larger than the rest, one 8-bit scale serves none of
 * them. Channel j of what a MatMul or Gemm reads is divided by s_j = max|X_j|^alpha / max|W_j|^(1-alpha) where it is made
 * (LayerNormalization, a Mul or Add of a row, the layer before), and row j of the weight multiplied by it.
 * Factors are rounded to powers of two, so that the same numbers come out; 8 bits are another pass's.
 */
export const smoothing: Pass<SmoothOptions> = {
  name: 'smooth',
  summary:
    'moves outliers of activations into the weights behind them (SmoothQuant), for 8 bits to follow; measured on data',
  defaults: { alpha: 'search', explicit: 'pays', least: 1024, batch: 32, samples: 256 },
  error: (): DeclaredError => ({
    kind: 'bounded',
    atol: 1e-5,
    rtol: 1e-3,
    why: 'factors are powers of two, but sums may be taken in another order',
  }),
  async apply(model: Model, options: SmoothOptions, context: PassContext): Promise<PassResult> {
    const { alpha, explicit } = options;
    if (alpha !== 'search' && !(alpha >= 0 && alpha <= 1)) {
      throw fail('USAGE_BAD_OPTION', `alpha is ${alpha}, not from 0 to 1`);
    }
    const named = withNames(model);
    const heavy = named.graph.nodes.filter(({ op, domain }) => domain === '' && HEAVY.has(op));
    const excluded = excluder(options, heavy);
    const all = channelGroups(named, options.least, (node) => excluded(node) === undefined);
    const groups = all.filter(({ absorber }) => explicit === 'pays' || typeof absorber !== 'string');
    const notes: PassNote[] = all.flatMap((group) => (groups.includes(group) ? [] : refusals(group)));
    if (groups.length === 0) return { model, modified: false, notes };
    if (context.calibration === undefined) throw fail('CALIBRATION_NEEDED', 'the pass got no data');
    const { calibration, signal } = context;
    const statistics = await channelStatistics(named, groups, calibration, options, signal);
    let modified = false;
    for (const group of groups) {
      const found = bestFactors(named, group, statistics.get(group.value)!, alpha);
      const needed = typeof group.absorber === 'string' ? WORTH_A_MUL : WORTH;
      if (found === undefined || !(found.saved >= needed)) {
        notes.push(
          ...refusals(group, `saves ${Math.max(0, found?.saved ?? 0).toFixed(1)} dB of ${needed} at least`),
        );
        continue;
      }
      applyFactors(named, group, found.factors);
      modified = true;
      const why = `${factorsInWords(group, found.factors)}, alpha ${found.alpha}: ${found.saved.toFixed(1)} dB less noise of 8 bits expected`;
      for (const { node } of group.layers)
        notes.push({ node: node.name, op: node.op, action: 'changed', why });
    }
    if (!modified) return { model, modified, notes };
    removeDead(named.graph);
    sortNodes(named.graph);
    return { model: named, modified, notes };
  },
};

const HEAVY: ReadonlySet<string> = new Set(['MatMul', 'Gemm', 'Conv']);

function refusals({ layers, absorber }: ChannelGroup, otherwise?: string): PassNote[] {
  const told = typeof absorber === 'string' ? [absorber] : [];
  if (otherwise !== undefined) told.push(otherwise);
  return layers.map(({ node }) => ({
    node: node.name,
    op: node.op,
    action: 'refused',
    why: told.join('; '),
  }));
}

/** Furthest that a channel may be scaled. */
const FURTHEST = 2 ** 12;

interface Factors {
  readonly alpha: number;
  readonly factors: readonly number[];
  /** dB. */
  readonly saved: number;
}

/** The factors of least expected noise; undefined where a channel was never finite. */
function bestFactors(
  model: Model,
  group: ChannelGroup,
  statistics: ChannelStatistics,
  alpha: number | 'search',
): Factors | undefined {
  const { low, high, power } = statistics;
  if (![...low, ...high, ...power].every(Number.isFinite)) return undefined;
  const noise = new ExpectedNoise(model, group, statistics);
  const plain = noise.of(new Array<number>(group.channels).fill(1));
  const tried = alpha === 'search' ? Array.from({ length: 20 }, (_, i) => (i + 1) / 20) : [alpha];
  let best: Factors | undefined;
  for (const share of tried) {
    const factors = noise.factors(share);
    const saved = 10 * Math.log10(plain / noise.of(factors));
    if (best === undefined || saved > best.saved) best = { alpha: share, factors, saved };
  }
  return best;
}

/**
 * The noise that 8 bits make in what a group's layers give, in expectation: rounding errors are even within a step and independent, so that an
 * output gains (step of x)^2/12 sum w^2 from the activations (one step for all channels) and (step of its column)^2/12
 * sum E[x^2] from the weights. Each layer counts as a share of its signal.
 */
class ExpectedNoise {
  readonly #statistics: ChannelStatistics;
  readonly #layers: readonly {
    readonly values: Float32Array;
    readonly rowStep: number;
    readonly columnStep: number;
    readonly n: number;
    readonly signal: number;
  }[];
  /** Largest weight of each channel, over the layers. */
  readonly #largest: Float64Array;

  constructor(model: Model, { layers, channels }: ChannelGroup, statistics: ChannelStatistics) {
    this.#statistics = statistics;
    this.#largest = new Float64Array(channels);
    this.#layers = layers.map((layer) => {
      const weight = weightNow(model, layer);
      let signal = 0;
      for (let j = 0; j < channels; j++) {
        for (let c = 0; c < layer.n; c++) {
          const w = weight.values[j * weight.rowStep + c * weight.columnStep]!;
          signal += w * w * statistics.power[j]!;
          if (Math.abs(w) > this.#largest[j]!) this.#largest[j] = Math.abs(w);
        }
      }
      return { ...weight, n: layer.n, signal };
    });
  }

  /** s_j = max|X_j|^alpha / max|W_j|^(1-alpha) about a mean of 1, as powers of two. */
  factors(alpha: number): number[] {
    const { low, high } = this.#statistics;
    const logs = Array.from(this.#largest, (weight, j) => {
      const size = Math.max(-low[j]!, high[j]!);
      return size > 0 && weight > 0 ? alpha * Math.log2(size) - (1 - alpha) * Math.log2(weight) : Number.NaN;
    });
    const known = logs.filter((log) => !Number.isNaN(log));
    const mean = known.reduce((total, log) => total + log, 0) / Math.max(1, known.length);
    const end = Math.log2(FURTHEST);
    return logs.map((log) =>
      Number.isNaN(log) ? 1 : 2 ** Math.round(Math.min(end, Math.max(-end, log - mean))),
    );
  }

  of(factors: readonly number[]): number {
    const { low, high, power } = this.#statistics;
    let [lowest, highest, square] = [0, 0, 0];
    for (const [j, factor] of factors.entries()) {
      lowest = Math.min(lowest, low[j]! / factor);
      highest = Math.max(highest, high[j]! / factor);
      square += power[j]! / factor ** 2;
    }
    const step = (highest - lowest) / 255;
    let noise = 0;
    for (const { values, rowStep, columnStep, n, signal } of this.#layers) {
      let [squares, steps] = [0, 0];
      for (let c = 0; c < n; c++) {
        let largest = 0;
        for (let j = 0, at = c * columnStep; j < factors.length; j++, at += rowStep) {
          const w = Math.abs(values[at]!) * factors[j]!;
          squares += w * w;
          if (w > largest) largest = w;
        }
        steps += (largest / 127) ** 2;
      }
      if (signal > 0) noise += (step ** 2 * squares + steps * square) / 12 / signal;
    }
    return noise;
  }
}
