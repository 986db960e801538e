import { attr, Tensor } from '../../graph/index.ts';
import { type Pen, turned } from './pen.ts';
import { halved } from './rotary.ts';
import { headSize, type LlamaConfig, type LlamaLayer, NORM_EPSILON } from './weights.ts';

/** What all layers of a graph read. */
export interface Shared {
  readonly config: LlamaConfig;
  /** Cosines and signed sines of the positions, [batch, 1, seq, head size]. */
  readonly cos: string;
  readonly sin: string;
  /** 0 where a token may look, a large negative number where not: [batch, 1, seq, past + seq]. */
  readonly bias: string;
  /** int64 vectors: the shapes of scores by head and by group of heads that share a key. */
  readonly byHead: string;
  readonly byGroup: string;
}

/** x / sqrt(mean(x^2) + epsilon) * weight: the pattern that ONNX Runtime fuses into SimplifiedLayerNormalization. */
export function rmsNorm(pen: Pen, name: string, x: string, weight: Float32Array, weightName: string): string {
  const square = pen.op(`${name}/Pow`, 'Pow', [x, pen.float(2)]);
  const mean = pen.op(`${name}/ReduceMean`, 'ReduceMean', [square, pen.ints(-1)], { keepdims: attr.int(1) });
  const sum = pen.op(`${name}/Add`, 'Add', [mean, pen.float(NORM_EPSILON)]);
  const root = pen.op(`${name}/Sqrt`, 'Sqrt', [sum]);
  const normal = pen.op(`${name}/Div`, 'Div', [x, root]);
  const scale = pen.weight(weightName, () => Tensor.float32([weight.length], weight));
  return pen.op(`${name}/Mul`, 'Mul', [scale, normal]);
}

/** x [.., in] by a matrix [out, in]. */
export function linear(
  pen: Pen,
  name: string,
  x: string,
  matrix: Float32Array,
  [out, into]: readonly [number, number],
  weightName: string,
  to?: string,
): string {
  const weight = pen.weight(weightName, () => turned(matrix, out, into));
  return pen.op(`${name}/MatMul`, 'MatMul', [x, weight], {}, to);
}

/**
 * One layer: hidden state [batch, seq, dim] in and out; reads past_key_values.N.key and .value, and gives present.N.key and
 * .value, float32 [batch, kv heads, tokens, head size].
 */
export function decoderLayer(pen: Pen, n: number, x: string, weights: LlamaLayer, shared: Shared): string {
  const { dim, hidden } = shared.config;
  const stem = `/model/layers.${n}`;
  const own = `model.layers.${n}`;
  const normal = rmsNorm(
    pen,
    `${stem}/input_layernorm`,
    x,
    weights.attentionNorm,
    `${own}.input_layernorm.weight`,
  );
  const attended = attention(pen, n, normal, weights, shared);
  const middle = pen.op(`${stem}/Add`, 'Add', [x, attended]);
  const fed = rmsNorm(
    pen,
    `${stem}/post_attention_layernorm`,
    middle,
    weights.feedNorm,
    `${own}.post_attention_layernorm.weight`,
  );
  const mlp = `${stem}/mlp`;
  const gate = linear(
    pen,
    `${mlp}/gate_proj`,
    fed,
    weights.gate,
    [hidden, dim],
    `${own}.mlp.gate_proj.weight`,
  );
  const sigmoid = pen.op(`${mlp}/act_fn/Sigmoid`, 'Sigmoid', [gate]);
  const silu = pen.op(`${mlp}/act_fn/Mul`, 'Mul', [gate, sigmoid]);
  const up = linear(pen, `${mlp}/up_proj`, fed, weights.up, [hidden, dim], `${own}.mlp.up_proj.weight`);
  const gated = pen.op(`${mlp}/Mul`, 'Mul', [silu, up]);
  const down = linear(
    pen,
    `${mlp}/down_proj`,
    gated,
    weights.down,
    [dim, hidden],
    `${own}.mlp.down_proj.weight`,
  );
  return pen.op(`${stem}/Add_1`, 'Add', [middle, down]);
}

function attention(pen: Pen, n: number, x: string, weights: LlamaLayer, shared: Shared): string {
  const { config, bias, byHead, byGroup } = shared;
  const { dim, heads, kvHeads } = config;
  const size = headSize(config);
  const stem = `/model/layers.${n}/self_attn`;
  const own = `model.layers.${n}.self_attn`;
  const split = (value: string, which: string, count: number) => {
    const rows = pen.reshape(`${stem}/${which}/Reshape`, value, pen.ints(0, 0, count, size));
    return pen.transpose(`${stem}/${which}/Transpose`, rows, [0, 2, 1, 3]);
  };
  const project = (which: string, matrix: Float32Array, count: number) =>
    linear(pen, `${stem}/${which}`, x, matrix, [count * size, dim], `${own}.${which}.weight`);
  const query = project('q_proj', halved(weights.query, heads, size, dim), heads);
  const { key, value } = keyAndValue(pen, n, x, weights, shared);
  const q = rotary(pen, `${stem}/rotary_q`, split(query, 'q', heads), shared);
  // Queries that share a key stand below each other: one product for all of them, and no key is repeated.
  const grouped = pen.reshape(`${stem}/group/Reshape`, q, pen.ints(0, kvHeads, -1, size));
  const keys = pen.transpose(`${stem}/key/Transpose`, key, [0, 1, 3, 2]);
  const products = pen.op(`${stem}/scores/MatMul`, 'MatMul', [grouped, keys]);
  const scaled = pen.op(`${stem}/scores/Div`, 'Div', [products, pen.float(Math.sqrt(size))]);
  const scores = pen.reshape(`${stem}/scores/Reshape`, scaled, byHead);
  const masked = pen.op(`${stem}/scores/Add`, 'Add', [scores, bias]);
  const shares = pen.op(`${stem}/Softmax`, 'Softmax', [masked], { axis: attr.int(-1) });
  const together = pen.reshape(`${stem}/shares/Reshape`, shares, byGroup);
  const mixed = pen.op(`${stem}/mix/MatMul`, 'MatMul', [together, value]);
  const apart = pen.reshape(`${stem}/mix/Reshape`, mixed, pen.ints(0, heads, -1, size));
  const back = pen.transpose(`${stem}/mix/Transpose`, apart, [0, 2, 1, 3]);
  const joined = pen.reshape(`${stem}/joined/Reshape`, back, pen.ints(0, 0, dim));
  return linear(pen, `${stem}/o_proj`, joined, weights.output, [dim, dim], `${own}.o_proj.weight`);
}

/** Keys (turned by their positions) and values of all tokens so far, which become present.N.key and present.N.value. */
export function keyAndValue(
  pen: Pen,
  n: number,
  x: string,
  weights: LlamaLayer,
  shared: Shared,
): { key: string; value: string } {
  const { config } = shared;
  const { dim, kvHeads } = config;
  const size = headSize(config);
  const stem = `/model/layers.${n}/self_attn`;
  const own = `model.layers.${n}.self_attn`;
  const cache = ['batch_size', kvHeads, 'past_sequence_length', size];
  const made = (which: 'k' | 'v', matrix: Float32Array) => {
    const flat = linear(
      pen,
      `${stem}/${which}_proj`,
      x,
      matrix,
      [kvHeads * size, dim],
      `${own}.${which}_proj.weight`,
    );
    const rows = pen.reshape(`${stem}/${which}/Reshape`, flat, pen.ints(0, 0, kvHeads, size));
    return pen.transpose(`${stem}/${which}/Transpose`, rows, [0, 2, 1, 3]);
  };
  const grown = (which: 'key' | 'value', now: string) => {
    const past = pen.input(`past_key_values.${n}.${which}`, 'float32', cache);
    const all = pen.op(
      `${stem}/${which}/Concat`,
      'Concat',
      [past, now],
      { axis: attr.int(2) },
      `present.${n}.${which}`,
    );
    pen.output(all, 'float32', ['batch_size', kvHeads, 'total_sequence_length', size]);
    return all;
  };
  const key = rotary(pen, `${stem}/rotary_k`, made('k', halved(weights.key, kvHeads, size, dim)), shared);
  return { key: grown('key', key), value: grown('value', made('v', weights.value)) };
}

/** Turns [batch, heads, seq, head size] by its positions. */
function rotary(pen: Pen, name: string, x: string, { cos, sin }: Shared): string {
  const [first, second] = pen.pair(`${name}/Split`, 'Split', [x], {
    axis: attr.int(-1),
    num_outputs: attr.int(2),
  });
  const swapped = pen.op(`${name}/Concat`, 'Concat', [second, first], { axis: attr.int(-1) });
  const along = pen.op(`${name}/Mul`, 'Mul', [x, cos]);
  const across = pen.op(`${name}/Mul_1`, 'Mul', [swapped, sin]);
  return pen.op(`${name}/Add`, 'Add', [along, across]);
}
