import { floatOf, intOf, intsOf, type Node, type OpName, Tensor } from '../../graph/index.ts';
import type { Composer } from '../composer.ts';
import { type Expansion, refuse, without } from './expansion.ts';

/** [N, length, heads * size] as [N, heads, length, size]. */
function heads(to: Composer, x: string, count: number): string {
  const [batch, length, width] = to.shape(x) as [number, number, number];
  return to.transpose(to.reshape(x, [batch, length, count, width / count]), [0, 2, 1, 3]);
}

/** And back. */
function unheads(to: Composer, x: string): string {
  const [batch, count, length, size] = to.shape(x) as [number, number, number, number];
  return to.reshape(to.transpose(x, [0, 2, 1, 3]), [batch, length, count * size]);
}

/** What is added to the scores, each broadcast to [N, heads, length, total]. */
interface Scores {
  readonly scale: number;
  readonly added: readonly string[];
  readonly softcap?: number;
}

/** softmax(scale q k^T + masks) v, of [N, heads, length, size] (Vaswani et al. 2017). */
function attend(
  to: Composer,
  q: string,
  k: string,
  v: string,
  { scale, added, softcap = 0 }: Scores,
): string {
  let scores = to.op('FusedMatMul', [q, k], { transB: 1, alpha: scale }, 'com.microsoft');
  if (softcap > 0) {
    const bent = to.op('Tanh', [to.op('Mul', [scores, to.float(1 / softcap)])]);
    scores = to.op('Mul', [bent, to.float(softcap)]);
  }
  for (const mask of added) scores = to.op('Add', [scores, mask]);
  return to.op('MatMul', [to.op('Softmax', [scores], { axis: -1 }), v]);
}

/** 0 where a position may look, `low` where it may not: what lies after it. */
function causal(to: Composer, length: number, total: number, low: number): string {
  const row = (i: number) => Array.from({ length: total }, (_, j) => (j > i + total - length ? low : 0));
  const rows = Array.from({ length }, (_, i) => row(i));
  return to.constant(Tensor.float32([length, total], rows.flat()));
}

/** As addition to the scores: 0 where `keep` is true, `low` elsewhere. */
function masked(to: Composer, keep: string, low: number): string {
  return to.op('Where', [keep, to.float(0), to.float(low)]);
}

/** A mask of whole numbers [N, total], 1 for what may be seen, as addition to the scores. */
function paddingMask(to: Composer, mask: string, low: number): string {
  const [batch, total] = to.shape(mask) as [number, number];
  return to.reshape(masked(to, to.op('Cast', [mask], { to: 9 }), low), [batch, 1, 1, total]);
}

/** [N, heads, length, size] with each head repeated. */
function repeatHeads(to: Composer, x: string, times: number): string {
  if (times === 1) return x;
  const [batch, count, length, size] = to.shape(x) as [number, number, number, number];
  const apart = to.reshape(x, [batch, count, 1, length, size]);
  return to.reshape(to.expand(apart, [batch, count, times, length, size]), [
    batch,
    count * times,
    length,
    size,
  ]);
}

/** ai.onnx since opset 23: operands with three axes or four, a mask of booleans or floats. */
const standard: Expansion = (node, to) => {
  without(node, { 4: 'a cache', 5: 'a cache', 6: 'padding' });
  if (node.outputs.slice(1).some((name) => name !== '')) refuse(node, 'with more outputs than one');
  if (intOf(node, 'qk_matmul_output_mode', 0) !== 0) refuse(node, 'with qk_matmul_output_mode');
  const flat = to.shape(node.inputs[0]!).length === 3;
  const [queries, keys] = [intOf(node, 'q_num_heads', 0), intOf(node, 'kv_num_heads', 0)];
  const part = (i: number) => (flat ? heads(to, node.inputs[i]!, i === 0 ? queries : keys) : node.inputs[i]!);
  const [q, k, v] = [part(0), part(1), part(2)];
  const [, count, length, size] = to.shape(q) as [number, number, number, number];
  const [, shared, total] = to.shape(k) as [number, number, number];
  const added: string[] = [];
  if (intOf(node, 'is_causal', 0) === 1) added.push(causal(to, length, total, Number.NEGATIVE_INFINITY));
  const mask = node.inputs[3] ?? '';
  if (mask !== '') added.push(to.dtype(mask) === 'bool' ? masked(to, mask, Number.NEGATIVE_INFINITY) : mask);
  const y = attend(to, q, repeatHeads(to, k, count / shared), repeatHeads(to, v, count / shared), {
    scale: floatOf(node, 'scale', 1 / Math.sqrt(size)),
    added,
    softcap: floatOf(node, 'softcap', 0),
  });
  return [flat ? unheads(to, y) : y];
};

const lowOf = (node: Node) => floatOf(node, 'mask_filter_value', -10000);
const scaleOf = (node: Node, size: number) => floatOf(node, 'scale', 0) || 1 / Math.sqrt(size);

/** com.microsoft, from separate operands [N, length, hidden]; key_padding_mask [N, total], attention_bias added. */
const multiHead: Expansion = (node, to) => {
  without(node, { 6: 'a cache', 7: 'a cache', 8: 'a cache', 9: 'a cache' });
  const count = intOf(node, 'num_heads', 1);
  const operands = [0, 1, 2].map((i) => node.inputs[i] ?? '');
  if (operands.some((name) => name === '' || to.shape(name).length !== 3))
    refuse(node, 'with packed operands');
  const widths = operands.map((name) => to.shape(name)[2]!);
  const bias = node.inputs[3] ?? '';
  const biases = bias === '' ? undefined : to.ops('Split', [bias, to.ints(widths)], 3, { axis: 0 });
  const [q, k, v] = operands.map((name, i) =>
    heads(to, biases === undefined ? name : to.op('Add', [name, biases[i]!]), count),
  ) as [string, string, string];
  const added: string[] = [];
  const [padding, more] = [node.inputs[4] ?? '', node.inputs[5] ?? ''];
  if (padding !== '') {
    if (to.shape(padding).length !== 2) refuse(node, 'with a mask that is not [N, total]');
    added.push(paddingMask(to, padding, lowOf(node)));
  }
  const [length, total] = [to.shape(q)[2]!, to.shape(k)[2]!];
  if (intOf(node, 'unidirectional', 0) === 1) added.push(causal(to, length, total, lowOf(node)));
  if (more !== '') added.push(more);
  const scale = scaleOf(node, widths[0]! / count);
  return [unheads(to, attend(to, q, k, v, { scale, added }))];
};

/** com.microsoft, from one input [N, length, hidden] and the weights of all three side by side; a mask [N, length]. */
const packed: Expansion = (node, to) => {
  without(node, { 4: 'a cache', 6: 'a cache' });
  if (intOf(node, 'do_rotary', 0) === 1) refuse(node, 'with rotary positions');
  const [x, w, b = '', mask = '', , more = ''] = node.inputs as [string, string, ...string[]];
  const count = intOf(node, 'num_heads', 1);
  const whole = to.op('MatMul', [x, w]);
  const sum = b === '' ? whole : to.op('Add', [whole, b]);
  const third = to.shape(w)[1]! / 3;
  const sizes = intsOf(node, 'qkv_hidden_sizes') ?? [third, third, third];
  const parts = to.ops('Split', [sum, to.ints(sizes)], 3, { axis: 2 });
  const [q, k, v] = parts.map((part) => heads(to, part, count)) as [string, string, string];
  const added: string[] = [];
  if (mask !== '') {
    if (to.shape(mask).length !== 2) refuse(node, 'with a mask that is not [N, total]');
    added.push(paddingMask(to, mask, lowOf(node)));
  }
  const length = to.shape(q)[2]!;
  if (intOf(node, 'unidirectional', 0) === 1) added.push(causal(to, length, length, lowOf(node)));
  if (more !== '') added.push(more);
  return [unheads(to, attend(to, q, k, v, { scale: scaleOf(node, sizes[0]! / count), added }))];
};

/** Attention in one node. */
export const ATTENTION = {
  Attention: standard,
  'com.microsoft:Attention': packed,
  'com.microsoft:MultiHeadAttention': multiHead,
} as const satisfies Partial<Record<OpName, Expansion>>;
