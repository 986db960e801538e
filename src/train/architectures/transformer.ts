import { attr } from '../../graph/index.ts';
import { architecture, type CommonOptions } from './architecture.ts';
import { filled, normal } from './init.ts';
import { linearAlong } from './linear.ts';
import type { Net } from './net.ts';
import { scaledChannels, scaledCount } from './size.ts';
import { sampleDims, shapeText, type Task, type TaskInput } from './task.ts';

export interface TransformerOptions extends CommonOptions {
  /** Numbers per position. */
  readonly channels: number;
  /** Attention heads; each takes an equal part of the channels. */
  readonly heads: number;
  readonly layers: number;
  /** How many times wider the feed-forward layers are inside. */
  readonly feedForward: number;
}

/** As of BERT (Devlin et al. 2019), for tokens and positions. */
const EMBEDDING = normal(0.02);

/**
 * An encoder (Vaswani et al. 2017) with learned positions, LayerNormalization before each part (pre-norm) and the mean
 * over positions at the end, in the operators that PyTorch exports. Reads numbers [N, T, F] or ids [N, T].
 */
export const transformer = architecture<TransformerOptions>({
  name: 'transformer',
  summary: 'a small encoder with attention, for sequences of numbers or of token ids',
  defaults: {
    width: 1,
    depth: 1,
    probabilities: false,
    channels: 128,
    heads: 4,
    layers: 4,
    feedForward: 4,
  },
  reads({ inputs }) {
    if (inputs.length > 1) return `it reads one sequence, not ${inputs.length} inputs`;
    return sequenceOf(inputs[0]!) !== undefined || whyNoSequence(inputs[0]!);
  },
  trunk(net, task, { width, depth, channels, heads, layers, feedForward }) {
    // Each head takes a whole number of channels at every width.
    const size = heads * scaledChannels(channels / heads, width);
    let value = embedded(net, task, size);
    const length = sequenceOf(task.inputs[0]!)!.length;
    value = net.op('Add', 'embed.add', [value, net.weight('positions', [length, size], EMBEDDING)]);
    for (let i = 1; i <= scaledCount(layers, depth); i++) {
      const layer = `layer${i}`;
      const normed = layerNorm(net, `${layer}.norm1`, value, size);
      value = net.op('Add', `${layer}.add1`, [
        value,
        attention(net, `${layer}.attention`, normed, size, heads),
      ]);
      const inner = layerNorm(net, `${layer}.norm2`, value, size);
      value = net.op('Add', `${layer}.add2`, [value, feedForwardOf(net, layer, inner, size, feedForward)]);
    }
    const end = layerNorm(net, 'norm', value, size);
    const mean = net.op('ReduceMean', 'pool', [end], { axes: attr.ints([1]), keepdims: attr.int(0) });
    return { value: mean, size };
  },
});

/** A sequence of ids, or of `features` numbers each. */
interface Sequence {
  readonly length: number;
  readonly features?: number;
}

function sequenceOf(input: TaskInput): Sequence | undefined {
  const dims = sampleDims(input);
  if (input.dtype !== 'float32') return dims.length === 1 ? { length: dims[0]! } : undefined;
  // A picture of one channel, [N, 1, T, F], is a sequence of its rows.
  const rows = dims.length === 3 && dims[0] === 1 ? dims.slice(1) : dims;
  return rows.length === 2 ? { length: rows[0]!, features: rows[1]! } : undefined;
}

function whyNoSequence({ name, dtype, shape }: TaskInput): string {
  const wanted = dtype === 'float32' ? 'numbers [N, T, F] or [N, 1, T, F]' : 'ids [N, T]';
  return `it reads ${wanted}; "${name}" is ${shapeText(shape)}`;
}

/** [N, T, size] of the input. */
function embedded(net: Net, { inputs }: Task, size: number): string {
  const input = inputs[0]!;
  const { length, features } = sequenceOf(input)!;
  if (features === undefined) {
    const table = net.weight('embed.weight', [input.vocabulary!, size], EMBEDDING);
    return net.op('Gather', 'embed', [table, input.name], { axis: attr.int(0) });
  }
  const rows =
    sampleDims(input).length === 2
      ? input.name
      : net.op('Reshape', 'input.rows', [input.name, net.ints('input.rows.shape', [-1, length, features])]);
  return linearAlong(net, 'embed', rows, features, size);
}

function layerNorm(net: Net, name: string, value: string, size: number): string {
  const weight = net.weight(`${name}.weight`, [size], filled(1));
  const bias = net.weight(`${name}.bias`, [size], filled(0));
  return net.op('LayerNormalization', name, [value, weight, bias], {
    axis: attr.int(-1),
    epsilon: attr.float(1e-5),
  });
}

/** Self-attention of [N, T, size] (Vaswani et al. 2017, section 3.2); the scores are divided by sqrt(size / heads). */
function attention(net: Net, name: string, from: string, size: number, heads: number): string {
  const each = size / heads;
  const split = (role: string, perm: readonly number[]) => {
    const all = linearAlong(net, `${name}.${role}`, from, size, size);
    const shape = net.ints('attention.split', [0, -1, heads, each]);
    const parts = net.op('Reshape', `${name}.${role}.split`, [all, shape]);
    return net.op('Transpose', `${name}.${role}.turned`, [parts], { perm: attr.ints(perm) });
  };
  const query = split('query', [0, 2, 1, 3]);
  const key = split('key', [0, 2, 3, 1]);
  const value = split('value', [0, 2, 1, 3]);
  const product = net.op('MatMul', `${name}.scores`, [query, key]);
  const scaled = net.op('Div', `${name}.scaled`, [product, net.scalar('attention.scale', Math.sqrt(each))]);
  const share = net.op('Softmax', `${name}.softmax`, [scaled], { axis: attr.int(-1) });
  const mixed = net.op('MatMul', `${name}.mixed`, [share, value]);
  const turned = net.op('Transpose', `${name}.turned`, [mixed], { perm: attr.ints([0, 2, 1, 3]) });
  const whole = net.op('Reshape', `${name}.whole`, [turned, net.ints('attention.join', [0, -1, size])]);
  return linearAlong(net, `${name}.out`, whole, size, size);
}

/** Two layers with the exact Gelu between them, written with Erf as exporters do below opset 20. */
function feedForwardOf(net: Net, layer: string, from: string, size: number, times: number): string {
  const up = linearAlong(net, `${layer}.up`, from, size, size * times);
  const name = `${layer}.gelu`;
  const scaled = net.op('Div', `${name}.scaled`, [up, net.scalar('gelu.root', Math.SQRT2)]);
  const erf = net.op('Erf', `${name}.erf`, [scaled]);
  const above = net.op('Add', `${name}.above`, [erf, net.scalar('gelu.one', 1)]);
  const doubled = net.op('Mul', `${name}.doubled`, [up, above]);
  const gelu = net.op('Mul', name, [doubled, net.scalar('gelu.half', 0.5)]);
  return linearAlong(net, `${layer}.down`, gelu, size * times, size);
}
