import { fail, Random } from '../base/index.ts';

/** How the next token is chosen. */
export interface SamplingOptions {
  /** 0: always the most likely (greedy). 1: as the model says; higher: flatter. Default 0. */
  readonly temperature?: number;
  /** Only the so many most likely. Default: all. */
  readonly topK?: number;
  /** Only the most likely that together reach this probability (nucleus sampling, Holtzman et al. 2020). Default 1: all. */
  readonly topP?: number;
  /** Default 0. */
  readonly seed?: number;
}

/** Chooses a token by its logits [vocabulary]. */
export type Sampler = (logits: Float32Array) => number;

/** The largest, the first of equals. */
export function greedy(logits: Float32Array): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i;
  return best;
}

/** A sampler with a stream of random numbers of its own. Throws USAGE_BAD_OPTION. */
export function sampler(options: SamplingOptions = {}): Sampler {
  const { temperature = 0, topK, topP = 1, seed = 0 } = options;
  if (!(temperature >= 0 && Number.isFinite(temperature))) {
    throw fail('USAGE_BAD_OPTION', `the temperature is ${temperature}; it is 0 or more`);
  }
  if (topK !== undefined && !(Number.isInteger(topK) && topK >= 1)) {
    throw fail('USAGE_BAD_OPTION', `top-k is ${topK}; it is a whole number from 1`);
  }
  if (!(topP > 0 && topP <= 1))
    throw fail('USAGE_BAD_OPTION', `top-p is ${topP}; it is above 0 and at most 1`);
  if (temperature === 0) return greedy;
  const random = new Random(seed);
  return (logits) => {
    const coin = random.uniform();
    const weights = Float64Array.from(logits);
    const top = weights.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
    for (let i = 0; i < weights.length; i++) weights[i] = Math.exp((weights[i]! - top) / temperature);
    if (topK === undefined && topP === 1) return draw(weights, undefined, coin);
    return draw(weights, likeliest(weights, topK ?? weights.length, topP), coin);
  };
}

/** Indices of the largest weights, largest first: at most `most`, until they reach the share. */
function likeliest(weights: Float64Array, most: number, share: number): Uint32Array {
  const order = Uint32Array.from(weights, (_, i) => i).sort((a, b) => weights[b]! - weights[a]! || a - b);
  const kept = order.subarray(0, most);
  const total = kept.reduce((sum, i) => sum + weights[i]!, 0);
  let reached = 0;
  for (const [count, i] of kept.entries()) {
    reached += weights[i]!;
    if (reached >= share * total) return kept.subarray(0, count + 1);
  }
  return kept;
}

/** Index drawn in proportion to its weight. */
function draw(weights: Float64Array, among: Uint32Array | undefined, coin: number): number {
  const count = among?.length ?? weights.length;
  const at = (k: number) => (among === undefined ? k : among[k]!);
  let total = 0;
  for (let k = 0; k < count; k++) total += weights[at(k)]!;
  let left = coin * total;
  for (let k = 0; k < count; k++) {
    left -= weights[at(k)]!;
    if (left < 0) return at(k);
  }
  return at(count - 1);
}
