import { Random } from '../../src/base/index.ts';
import type { LlamaConfig, LlamaWeights } from '../../src/tokens/index.ts';

/** A model of llama2.c as its file, with random weights. `shared`: the classifier is the embedding. */
export function randomCheckpoint(config: LlamaConfig, seed = 1, shared = true): Uint8Array {
  const { dim, hidden, layers, heads, kvHeads, vocab, positions } = config;
  const size = dim / heads;
  const random = new Random(seed);
  const layer = 2 * dim + 2 * dim * dim + 2 * dim * kvHeads * size + 3 * dim * hidden;
  const floats = vocab * dim * (shared ? 1 : 2) + layers * layer + dim + positions * size;
  const bytes = new Uint8Array(28 + 4 * floats);
  new Int32Array(bytes.buffer, 0, 7).set([
    dim,
    hidden,
    layers,
    heads,
    kvHeads,
    shared ? vocab : -vocab,
    positions,
  ]);
  const values = new Float32Array(bytes.buffer, 28);
  for (let i = 0; i < floats; i++) values[i] = random.normal() * 0.5;
  return bytes;
}

/**
 * run.c, forward: plain loops in double precision over a whole sequence; the logits after each token. `depths`: layers that each token
 * goes through; the layers behind make keys and values of the state that it left with.
 */
export function referenceLogits(
  weights: LlamaWeights,
  tokens: readonly number[],
  depths: readonly number[] = [],
): Float64Array[] {
  const { dim, hidden, heads, kvHeads, vocab } = weights.config;
  const size = dim / heads;
  const caches = weights.layers.map(() => ({ keys: [] as Float64Array[], values: [] as Float64Array[] }));
  return tokens.map((token, position) => {
    let x: Float64Array = Float64Array.from(weights.embedding.subarray(token * dim, (token + 1) * dim));
    for (const [n, layer] of weights.layers.entries()) {
      const normal = rmsNorm(x, layer.attentionNorm);
      const query = turn(matrix(layer.query, normal, dim), size, position);
      const { keys, values } = caches[n]!;
      keys.push(turn(matrix(layer.key, normal, kvHeads * size), size, position));
      values.push(matrix(layer.value, normal, kvHeads * size));
      if (n >= (depths[position] ?? weights.layers.length)) continue;
      const attended = new Float64Array(dim);
      for (let head = 0; head < heads; head++) {
        const own = head * size;
        const theirs = Math.floor(head / (heads / kvHeads)) * size;
        const scores = softmax(
          Float64Array.from(keys, (key) => {
            let sum = 0;
            for (let i = 0; i < size; i++) sum += query[own + i]! * key[theirs + i]!;
            return sum / Math.sqrt(size);
          }),
        );
        for (const [t, share] of scores.entries()) {
          for (let i = 0; i < size; i++) attended[own + i]! += share * values[t]![theirs + i]!;
        }
      }
      x = added(x, matrix(layer.output, attended, dim));
      const fed = rmsNorm(x, layer.feedNorm);
      const gate = matrix(layer.gate, fed, hidden);
      const up = matrix(layer.up, fed, hidden);
      const middle = gate.map((value, i) => (value / (1 + Math.exp(-value))) * up[i]!);
      x = added(x, matrix(layer.down, middle, dim));
    }
    return matrix(weights.classifier, rmsNorm(x, weights.norm), vocab);
  });
}

function matrix(weight: Float32Array, x: Float64Array, rows: number): Float64Array {
  return Float64Array.from({ length: rows }, (_, row) => {
    let sum = 0;
    for (let i = 0; i < x.length; i++) sum += weight[row * x.length + i]! * x[i]!;
    return sum;
  });
}

function rmsNorm(x: Float64Array, weight: Float32Array): Float64Array {
  const mean = x.reduce((sum, value) => sum + value * value, 0) / x.length;
  return x.map((value, i) => (weight[i]! * value) / Math.sqrt(mean + 1e-5));
}

function turn(x: Float64Array, size: number, position: number): Float64Array {
  const to = x.slice();
  for (let i = 0; i < x.length; i += 2) {
    const angle = position / 10_000 ** ((i % size) / size);
    to[i] = x[i]! * Math.cos(angle) - x[i + 1]! * Math.sin(angle);
    to[i + 1] = x[i]! * Math.sin(angle) + x[i + 1]! * Math.cos(angle);
  }
  return to;
}

function softmax(x: Float64Array): Float64Array {
  const top = Math.max(...x);
  const weights = x.map((value) => Math.exp(value - top));
  const sum = weights.reduce((all, value) => all + value, 0);
  return weights.map((value) => value / sum);
}

function added(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, i) => value + b[i]!);
}
