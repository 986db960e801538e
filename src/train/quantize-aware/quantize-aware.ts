import { fail } from '../../base/index.ts';
import type { Dataset } from '../../data/index.ts';
import type { Model } from '../../graph/index.ts';
import type { Session } from '../../run/index.ts';
import { checkFusion, type FusionReport, type PassNote } from '../../transform/index.ts';
import { type DistillOptions, distill } from '../distill.ts';
import type { FitResult } from '../loop/options.ts';
import { Answers } from '../loop/teacher.ts';
import { type QuantizedStart, quantizedStart, type Start } from './begin.ts';

type Left =
  | 'answers'
  | 'only'
  | 'freeze'
  | 'normalization'
  | 'features'
  | 'validation'
  | 'checkpoint'
  | 'checkpointEvery';

export interface QuantizeAwareOptions extends QuantizedStart, Omit<DistillOptions, Left> {
  /** What the quantized model learns from, beside labels. Default: the float model. */
  readonly teacher?: Model | Session;
  /** Samples to set ranges by before training. Default: 512 of the training data. */
  readonly calibration?: Dataset;
}

export interface QuantizeAwareResult extends Omit<FitResult, 'validation' | 'bestEpoch' | 'resumed'> {
  /** Post-training quantization: where learning began. `model` has the same nodes, with other numbers. */
  readonly before: Model;
  /** False where learned integers did no better than those of post-training quantization, which are then kept. */
  readonly rounded: 'learned' | 'nearest';
  readonly notes: readonly PassNote[];
  /** What the runtime makes of `model`. */
  readonly fusion: FusionReport;
}

/** Rate for Adam: a net that is nearly right is mended, not made anew. */
const RATE = 5e-4;
/** Of scales and biases alone: their gradients are true ones, and in 4 bits they have more to make up for. */
const LAST_RATES = { 4: 3e-3, 7: 1e-3, 8: 1e-3 } as const;
/** Epochs, where nothing else says how long. */
const EPOCHS = 5;
/** Student and teacher are the same net: softened answers would pull at what agrees already. */
const TEMPERATURE = 1;
/** Shares of the run in which everything is learned, and in which integers stay; the second is run from two beginnings. */
const SHARES = { all: 0.6, last: 0.2 } as const;

/**
 * Quantization-aware training: the model is quantized as after training, then learns with the roundings in place, through
 * straight-through gradients and learned step sizes (Esser et al. 2020), from the float model's answers and from labels where there are
 * any. First weights, biases and scales; then scales and biases alone, since weights that hover between two
 * integers leave the rest tuned to neither (Nagel et al. 2022, "Overcoming oscillations in quantization-aware training"). That second part is
 * run from the integers of post-training quantization too, and the ending of the smaller loss is taken. The result is the very
 * graph that post-training quantization makes, so that the runtime fuses it alike. The same seed gives the same bytes (not
 * with `seconds`). Throws NOTHING_TO_QUANTIZE, TRAIN_*, DATA_*, USAGE_BAD_OPTION.
 */
export async function quantizeAware(
  model: Model,
  data: Dataset,
  options: QuantizeAwareOptions = {},
): Promise<QuantizeAwareResult> {
  const { scheme, bits = 8, static: ofStatic, weights, teacher, calibration, ...rest } = options;
  const { seed = 0, progress, signal } = options;
  const context = { calibration, signal, seed, ...(progress && { progress }) };
  checkLength(options);
  const start = await quantizedStart(model, data, { scheme, bits, static: ofStatic, weights }, context);
  const answers = new Answers();
  const learn = async (from: Model, rounded: boolean, part: keyof typeof SHARES) =>
    learned(start, teacher ?? start.float, from, rounded, data, {
      ...rest,
      ...lengthOf(options, SHARES[part]),
      rate: rest.rate ?? (rounded ? LAST_RATES[bits] : RATE),
      temperature: rest.temperature ?? TEMPERATURE,
      seed: rounded ? seed + 1 : seed,
      answers,
      normalization: 'frozen',
    });
  const first = start.quantized.model;
  const all = await learn(first, false, 'all');
  const endings = [await learn(all.model, true, 'last'), await learn(first, true, 'last')] as const;
  const [own, nearest] = endings.map(({ fitted }) => fitted.losses.at(-1)!) as [number, number];
  const ending = own <= nearest ? endings[0] : endings[1];
  const runs = [all, ...endings].map(({ fitted }) => fitted);
  return {
    model: ending.model,
    before: first,
    rounded: own <= nearest ? 'learned' : 'nearest',
    notes: start.quantized.notes,
    fusion: await checkFusion(ending.model),
    losses: [...all.fitted.losses, ...ending.fitted.losses],
    steps: runs.reduce((sum, { steps }) => sum + steps, 0),
    seconds: runs.reduce((sum, { seconds }) => sum + seconds, 0),
    batch: all.fitted.batch,
    weights: all.fitted.weights,
    parameters: all.fitted.parameters,
  };
}

/** Learns for a while; the quantized model with what was learned. */
async function learned(
  start: Start,
  teacher: Model | Session,
  from: Model,
  rounded: boolean,
  data: Dataset,
  options: DistillOptions,
): Promise<{ model: Model; fitted: FitResult }> {
  const learnable = await start.open(from, rounded);
  const { model: view, weights } = learnable;
  const fitted = await distill(teacher, { model: view, forward: view, weights }, data, options);
  const { initializers } = fitted.model.graph;
  const values = new Map(weights.map((name) => [name, initializers.get(name)!]));
  return { model: learnable.quantized(values, from), fitted };
}

function checkLength({ epochs, steps, seconds }: QuantizeAwareOptions): void {
  const given = Object.entries({ epochs, steps, seconds }).filter(([, length]) => length !== undefined);
  if (given.length > 1) throw fail('USAGE_BAD_OPTION', 'epochs, steps and seconds exclude each other');
  for (const [name, length] of given) {
    if (!(length! > 0)) throw fail('USAGE_BAD_OPTION', `${name} must be above 0, not ${length}`);
  }
}

/** A share of how long the whole is to take. */
function lengthOf({ epochs, steps, seconds }: QuantizeAwareOptions, share: number) {
  if (seconds !== undefined) return { seconds: seconds * share };
  if (steps !== undefined) return { steps: Math.max(1, Math.round(steps * share)) };
  return { epochs: (epochs ?? EPOCHS) * share };
}
