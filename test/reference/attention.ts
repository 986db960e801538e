import { floatOf, intOf, intsOf, type Node, sizeOf } from '../../src/graph/index.ts';
import { broadcastOffset, eachIndex, offsetOf, picked } from './indices.ts';
import { type Call, input, type Kernel, type Kernels } from './kernel.ts';
import { float, type Value } from './value.ts';

/** [n, length, heads * size] as [n, heads, length, size]. */
function heads(x: Value, count: number): Value {
  const [n, length, width] = x.dims as [number, number, number];
  const size = width / count;
  return picked(x, [n, count, length, size], ([b, head, at, i]) => [b!, at!, head! * size + i!]);
}

/** And back. */
function unheads(x: Value): Value {
  const [n, count, length, size] = x.dims as [number, number, number, number];
  return picked(x, [n, length, count * size], ([b, at, i]) => [b!, Math.floor(i! / size), at!, i! % size]);
}

/** What follows another along axis 2 of [n, heads, length, size]. */
function appended(past: Value | undefined, x: Value): Value {
  if (past === undefined) return x;
  const [n, count, length, size] = x.dims as [number, number, number, number];
  const before = past.dims[2]!;
  const data = new Float64Array(n * count * (before + length) * size);
  eachIndex([n, count, before + length, size], ([b, head, at, i], flat) => {
    const [from, where] = at! < before ? [past, at!] : [x, at! - before];
    data[flat] = from.data[offsetOf(from.dims, [b!, head!, where, i!])]!;
  });
  return float([n, count, before + length, size], data);
}

interface Scoring {
  readonly scale: number;
  /** scores become softcap tanh(scores / softcap), before anything is added; 0: they stay. */
  readonly softcap?: number;
  /** What is added to the score of a query for a key: -Infinity hides it. */
  bias(sample: number, head: number, query: number, key: number): number;
}

/** softmax(scale q k^T + bias) v of [n, heads, length, size] (Vaswani et al. 2017); fewer heads of k and v are shared. */
function attend(q: Value, k: Value, v: Value, { scale, softcap = 0, bias }: Scoring) {
  const [n, count, length, size] = q.dims as [number, number, number, number];
  const [, shared, total] = k.dims as [number, number, number];
  const width = v.dims[3]!;
  const dims = [n, count, length, total];
  const stages = {
    raw: float(dims, new Float64Array(sizeOf(dims))),
    capped: float(dims, new Float64Array(sizeOf(dims))),
  };
  const [biased, shares] = [
    float(dims, new Float64Array(sizeOf(dims))),
    float(dims, new Float64Array(sizeOf(dims))),
  ];
  const y = float([n, count, length, width], new Float64Array(n * count * length * width));
  eachIndex([n, count, length], ([b, head, at]) => {
    const other = Math.floor(head! / (count / shared));
    const row = offsetOf(dims, [b!, head!, at!, 0]);
    for (let key = 0; key < total; key++) {
      let score = 0;
      for (let i = 0; i < size; i++)
        score +=
          q.data[offsetOf(q.dims, [b!, head!, at!, i])]! * k.data[offsetOf(k.dims, [b!, other, key, i])]!;
      stages.raw.data[row + key] = scale * score;
      const bent = softcap > 0 ? softcap * Math.tanh((scale * score) / softcap) : scale * score;
      stages.capped.data[row + key] = bent;
      biased.data[row + key] = bent + bias(b!, head!, at!, key);
    }
    const scores = [...biased.data.subarray(row, row + total)];
    const most = Math.max(...scores);
    const weights = scores.map((score) => (most === -Infinity ? 0 : Math.exp(score - most)));
    const sum = weights.reduce((a, c) => a + c, 0);
    for (const [key, weight] of weights.entries()) {
      // A query that may see nothing answers zeros.
      const share = sum === 0 ? 0 : weight / sum;
      shares.data[row + key] = share;
      for (let i = 0; share !== 0 && i < width; i++)
        y.data[offsetOf(y.dims, [b!, head!, at!, i])]! +=
          share * v.data[offsetOf(v.dims, [b!, other, key, i])]!;
    }
  });
  return { y, ...stages, biased, shares };
}

/** A bias that is added where it is float and hides where it is false; beyond its last axis nothing is seen. */
function maskAt(mask: Value | undefined, index: readonly number[], total: number): number {
  if (mask === undefined) return 0;
  const last = mask.dims.at(-1)!;
  if (last !== 1 && last < total && index.at(-1)! >= last) return -Infinity;
  const found = mask.data[broadcastOffset(mask.dims, index)]!;
  return mask.kind === 'bool' ? (found !== 0 ? 0 : -Infinity) : found;
}

/** ai.onnx since opset 23. Outputs: y, present key and value, and the scores at the stage that is asked for. */
const attention: Kernel = (call) => {
  const { node, inputs } = call;
  const flat = input(call, 0).dims.length === 3;
  const part = (at: number) =>
    flat
      ? heads(input(call, at), intOf(node, at === 0 ? 'q_num_heads' : 'kv_num_heads', 1))
      : input(call, at);
  const q = part(0);
  const [k, v] = [appended(inputs[4], part(1)), appended(inputs[5], part(2))];
  const [mask, visible] = [inputs[3], inputs[6]];
  const [length, total] = [q.dims[2]!, k.dims[2]!];
  const causal = intOf(node, 'is_causal', 0) !== 0;
  const found = attend(q, k, v, {
    scale: floatOf(node, 'scale', 1 / Math.sqrt(q.dims[3]!)),
    softcap: floatOf(node, 'softcap', 0),
    bias: (sample, head, query, key) => {
      const known = visible?.data[sample] ?? total;
      // The first query stands behind what was there before it: a past, or keys of a cache that are in use.
      const before = visible === undefined ? (inputs[4]?.dims[2] ?? 0) : known - length;
      if (key >= known || (causal && key > query + before)) return -Infinity;
      return maskAt(mask, [sample, head, query, key], total);
    },
  });
  const stage = [found.raw, found.capped, found.biased, found.shares][
    intOf(node, 'qk_matmul_output_mode', 0)
  ]!;
  return [flat ? unheads(found.y) : found.y, k, v, stage];
};

/** The bias of the operators of com.microsoft: a mask [n, total] (0: hidden), an added bias, and no looking ahead. */
function contribBias(node: Node, padding: Value | undefined, added: Value | undefined) {
  if (padding !== undefined && padding.dims.length !== 2)
    throw new Error(`${node.op} with a mask that is not [n, total]`);
  const low = floatOf(node, 'mask_filter_value', -10000);
  const causal = intOf(node, 'unidirectional', 0) !== 0;
  return (sample: number, head: number, query: number, key: number): number => {
    if (causal && key > query) return -Infinity;
    const hidden = padding !== undefined && padding.data[offsetOf(padding.dims, [sample, key])] === 0;
    const more = added?.data[broadcastOffset(added.dims, [sample, head, query, key])] ?? 0;
    return (hidden ? low : 0) + more;
  };
}

function refuse({ node, inputs }: Call, ...absent: readonly number[]): void {
  for (const at of absent) if (inputs[at] !== undefined) throw new Error(`${node.op} with input ${at}`);
}

/** Columns from `begin` of [n, length, width], plus a bias from there on. */
function columns(x: Value, bias: Value | undefined, begin: number, width: number, biasFrom = begin): Value {
  const cut = picked(x, [...x.dims.slice(0, 2), width], ([b, at, i]) => [b!, at!, i! + begin]);
  return float(
    cut.dims,
    cut.data.map((value, flat) => value + (bias?.data[biasFrom + (flat % width)] ?? 0)),
  );
}

/** Queries, keys and values [n, length, width] apart; one bias for the three side by side. */
const multiHead: Kernel = (call) => {
  const { node, inputs } = call;
  refuse(call, 6, 7, 8, 9);
  const parts = [0, 1, 2].map((at) => input(call, at));
  if (parts.some(({ dims }) => dims.length !== 3)) throw new Error('MultiHeadAttention with packed operands');
  const count = intOf(node, 'num_heads', 1);
  const widths = parts.map(({ dims }) => dims[2]!);
  const begins = [0, widths[0]!, widths[0]! + widths[1]!];
  const [q, k, v] = parts.map((part, i) =>
    heads(columns(part, inputs[3], 0, widths[i]!, begins[i]), count),
  ) as [Value, Value, Value];
  const scale = floatOf(node, 'scale', 0) || 1 / Math.sqrt(q.dims[3]!);
  // ONNX Runtime masks all queries but the last there, as if both were of one length.
  if (intOf(node, 'unidirectional', 0) !== 0 && q.dims[2] !== k.dims[2])
    throw new Error('MultiHeadAttention that looks back over another number of keys');
  const bias = contribBias(node, inputs[4], inputs[5]);
  return [unheads(attend(q, k, v, { scale, bias }).y)];
};

/** x [n, length, width] times weights [width, queries + keys + values]. */
const packed: Kernel = (call) => {
  const { node, inputs } = call;
  refuse(call, 4, 6);
  if (intOf(node, 'do_rotary', 0) !== 0) throw new Error('Attention with rotary positions');
  const [x, w] = [input(call, 0), input(call, 1)];
  const [n, length, width] = x.dims as [number, number, number];
  const all = w.dims[1]!;
  const product = float([n, length, all], new Float64Array(n * length * all));
  eachIndex([n * length, all, width], ([row, column, i]) => {
    product.data[row! * all + column!]! += x.data[row! * width + i!]! * w.data[i! * all + column!]!;
  });
  const count = intOf(node, 'num_heads', 1);
  const sizes = intsOf(node, 'qkv_hidden_sizes') ?? [all / 3, all / 3, all / 3];
  const begins = [0, sizes[0]!, sizes[0]! + sizes[1]!];
  const [q, k, v] = sizes.map((size, i) => heads(columns(product, inputs[2], begins[i]!, size), count)) as [
    Value,
    Value,
    Value,
  ];
  const scale = floatOf(node, 'scale', 0) || 1 / Math.sqrt(q.dims[3]!);
  return [unheads(attend(q, k, v, { scale, bias: contribBias(node, inputs[3], inputs[5]) }).y)];
};

/** Attention in one node. */
export const ATTENTION: Kernels = {
  Attention: attention,
  'com.microsoft:Attention': packed,
  'com.microsoft:MultiHeadAttention': multiHead,
};
