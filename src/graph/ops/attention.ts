import { intOf } from '../attributes.ts';
import type { Dim } from '../model.ts';
import { addDims, mapDim, mulDims } from './dims.ts';
import {
  type CostPhrase,
  type CostSite,
  known,
  likeInput,
  type OpSpec,
  type ShapeRule,
  type Site,
  spec,
} from './op.ts';

/** An operand of attention, be it [batch, heads, length, size] or [batch, length, heads * size]. */
interface Heads {
  readonly batch: Dim;
  readonly heads: Dim;
  readonly length: Dim;
  readonly size: Dim;
}

const NONE: Heads = { batch: null, heads: null, length: null, size: null };

function share(dim: Dim, heads: Dim): Dim {
  return typeof heads === 'number' && heads > 0 ? mapDim(dim, (size) => size / heads) : null;
}

function headsOf(shape: readonly Dim[] | undefined, heads: number | undefined): Heads {
  if (shape?.length === 4) return { batch: shape[0]!, heads: shape[1]!, length: shape[2]!, size: shape[3]! };
  if (shape?.length !== 3) return NONE;
  return { batch: shape[0]!, heads: heads ?? null, length: shape[1]!, size: share(shape[2]!, heads ?? null) };
}

const attention: ShapeRule = (site) => {
  const { node } = site;
  const q = headsOf(site.shape(0), intOf(node, 'q_num_heads'));
  const k = headsOf(site.shape(1), intOf(node, 'kv_num_heads'));
  const v = headsOf(site.shape(2), intOf(node, 'kv_num_heads'));
  const past = site.has(4) ? (site.shape(4)?.[2] ?? null) : 0;
  const total = addDims(past, k.length);
  const rank = site.shape(0)?.length;
  const y =
    rank === 4
      ? [q.batch, q.heads, q.length, v.size]
      : rank === 3
        ? [q.batch, q.length, mulDims(q.heads, v.size)]
        : undefined;
  const dtype = site.dtype(0);
  return [
    known(dtype, y),
    known(site.dtype(1), [k.batch, k.heads, total, k.size]),
    known(site.dtype(2), [v.batch, v.heads, total, v.size]),
    known(dtype, [q.batch, q.heads, q.length, total]),
  ];
};

/** Scores and their weighted sum; the softmax between takes 5 per score. */
function attentionWork(batch: number, heads: number, length: number, total: number, sizes: number) {
  const scores = batch * heads * length * total;
  return { macs: scores * sizes, other: 6 * scores };
}

const attentionCost: CostPhrase = {
  work: 'N*heads*length*total*(size + value size) MACs, 6 per score',
  rule: ({ node, inputs }: CostSite) => {
    const settled = (i: number, heads: string) => headsOf(inputs[i]?.dims, intOf(node, heads));
    const [q, k, v] = [settled(0, 'q_num_heads'), settled(1, 'kv_num_heads'), settled(2, 'kv_num_heads')];
    const total = Number(k.length) + (inputs[4]?.dims[2] ?? 0);
    return attentionWork(
      Number(q.batch),
      Number(q.heads),
      Number(q.length),
      total,
      Number(q.size) + Number(v.size),
    );
  },
};

const flex: ShapeRule = (site) => {
  const [q, v] = [site.shape(0), site.shape(2)];
  return [known(site.dtype(0), q === undefined ? undefined : [...q.slice(0, -1), v?.at(-1) ?? null])];
};

/** Recurrent attention: the state is [batch, kv heads, key size, value size]. */
const linear: ShapeRule = (site) => {
  const { node } = site;
  const [query, value] = [site.ranked(0, 3), site.ranked(2, 3)];
  const [heads, shared] = [intOf(node, 'q_num_heads') ?? null, intOf(node, 'kv_num_heads') ?? null];
  const [keySize, valueSize] = [share(query?.[2] ?? null, heads), share(value?.[2] ?? null, shared)];
  const most = typeof heads === 'number' && typeof shared === 'number' ? Math.max(heads, shared) : null;
  const batch = query?.[0] ?? null;
  return [
    known(site.dtype(0), [batch, query?.[1] ?? null, mulDims(most, valueSize)]),
    known(site.has(3) ? site.dtype(3) : site.dtype(0), [batch, shared, keySize, valueSize]),
  ];
};

/** com.microsoft operands are [batch, length, hidden], at times packed or already split by heads. */
const lengthAndHidden = (site: Site, i: number): [Dim, Dim, Dim] => {
  const shape = site.shape(i);
  return shape?.length === 3 ? (shape as [Dim, Dim, Dim]) : [shape?.[0] ?? null, null, null];
};

const multiHead: ShapeRule = (site) => {
  const [batch, length, hidden] = lengthAndHidden(site, 0);
  const value = site.shape(2);
  const width =
    value?.length === 3 ? value[2]! : value?.length === 4 ? mulDims(value[1]!, value[3]!) : hidden;
  return [known(site.dtype(0), [batch, length, width])];
};

/** Weights [input, q + k + v] make all three from one input. */
const packed: ShapeRule = (site) => {
  const [batch, length] = lengthAndHidden(site, 0);
  const sizes = site.node.attributes.get('qkv_hidden_sizes');
  const width =
    sizes?.type === 'ints' ? Number(sizes.value[2]) : mapDim(site.shape(1)?.[1] ?? null, (n) => n / 3);
  return [known(site.dtype(2), [batch, length, width])];
};

const grouped: ShapeRule = (site) => {
  const { node } = site;
  const [batch, length, hidden] = lengthAndHidden(site, 0);
  const heads = intOf(node, 'num_heads') ?? null;
  const shared = intOf(node, 'kv_num_heads') ?? null;
  const alone = !site.has(1);
  const parts = alone && heads !== null && shared !== null ? heads + 2 * shared : heads;
  const size = share(hidden, parts);
  const cache = known(site.dtype(0), [batch, shared, null, size]);
  return [known(site.dtype(0), [batch, length, mulDims(heads, size)]), cache, cache];
};

const rowsAndWidths = (site: CostSite) => {
  const [q, v] = [site.inputs[0]?.dims ?? [], site.outputs[0]?.dims ?? []];
  return { batch: q[0] ?? 0, length: q[1] ?? 0, width: v[2] ?? 0 };
};

/** Self-attention over `length` positions; `projected` adds the product with the packed weights. */
const hiddenCost = (projected: boolean): CostPhrase => ({
  work: `${projected ? 'projection and ' : ''}2*N*length*total*hidden MACs, 6 per score`,
  rule: (site) => {
    const { batch, length, width } = rowsAndWidths(site);
    const keys = projected ? length : (site.inputs[1]?.dims[1] ?? length);
    const heads = intOf(site.node, 'num_heads', 1);
    const core = attentionWork(batch, heads, length, keys, (2 * width) / heads);
    const projection = projected ? batch * length * (site.inputs[1]?.size ?? 0) : 0;
    return { macs: core.macs + projection, other: core.other };
  },
});

const rotary = (domain: string, since: readonly number[]) =>
  spec({
    op: 'RotaryEmbedding',
    domain,
    since,
    inputs: [3, 4],
    says: 'as the input',
    infer: likeInput,
    cost: {
      work: '3 per output element',
      rule: ({ outputs }) => ({ macs: 0, other: 3 * (outputs[0]?.size ?? 0) }),
    },
    traits: { sameType: true, sameShape: true },
  });

const hidden = (
  op: string,
  inputs: readonly [number, number],
  outputs: readonly [number, number],
  infer: ShapeRule,
  projected = false,
) =>
  spec({
    op,
    domain: 'com.microsoft',
    since: [1],
    inputs,
    outputs,
    says: '[N, length, hidden of the values]',
    infer,
    cost: hiddenCost(projected),
    traits: projected ? { weighted: { weight: 1, bias: 2, channelAxis: 1 } } : {},
  });

/** Attention and what belongs to it. */
export const ATTENTION = {
  Attention: spec({
    op: 'Attention',
    since: [23, 24, 25],
    inputs: [3, 7],
    outputs: [1, 4],
    says: 'as the query, with the size of the values; the caches grown',
    infer: attention,
    cost: attentionCost,
    traits: { sameType: true },
  }),
  'ai.onnx.preview:FlexAttention': spec({
    op: 'FlexAttention',
    domain: 'ai.onnx.preview',
    since: [1],
    inputs: [3, 3],
    says: 'as the query, with the size of the values',
    infer: flex,
    cost: attentionCost,
    traits: { sameType: true },
  }),
  LinearAttention: spec({
    op: 'LinearAttention',
    since: [27],
    inputs: [3, 6],
    outputs: [1, 2],
    says: '[N, length, heads * value size]; the state',
    infer: linear,
    cost: {
      work: '3 MACs per step and state element',
      rule: ({ inputs, outputs }) => ({
        macs: 3 * (inputs[0]?.dims[1] ?? 0) * (outputs[1]?.size ?? 0),
        other: 0,
      }),
    },
    traits: { sameType: true },
  }),
  RotaryEmbedding: rotary('', [23]),
  'com.microsoft:RotaryEmbedding': rotary('com.microsoft', [1]),
  'com.microsoft:Attention': hidden('Attention', [2, 7], [1, 2], packed, true),
  'com.microsoft:QAttention': hidden(
    'QAttention',
    [5, 9],
    [1, 2],
    (site) => [{ ...packed(site)[0]!, dtype: site.dtype(3) }],
    true,
  ),
  'com.microsoft:MultiHeadAttention': hidden('MultiHeadAttention', [1, 10], [1, 4], multiHead),
  'com.microsoft:GroupQueryAttention': hidden('GroupQueryAttention', [7, 14], [1, 4], grouped),
} as const satisfies Record<string, OpSpec>;
