import { intOf, intsOf } from '../attributes.ts';
import { sizeOf } from '../dtype.ts';
import type { Shape } from '../model.ts';
import { convCost, convShape } from './conv.ts';
import { axisIn, broadcastShapes } from './dims.ts';
import { concatenated } from './join.ts';
import { gemmShape, gemmWork, matmulCost, matmulShape } from './matmul.ts';
import {
  known,
  MANY,
  NOTHING,
  type OpSpec,
  perInput,
  perOutput,
  type ShapeRule,
  type Site,
  spec,
} from './op.ts';
import { globallyPooled, poolCost, pooled } from './pool.ts';
import { quantizers } from './quantize.ts';

type Given = Omit<Parameters<typeof spec>[0], 'domain' | 'since' | 'op'>;

/** Integer operators of com.microsoft, which quantization with ONNX Runtime gives. */
const quantized = (op: string, given: Given): OpSpec =>
  spec({ ...given, op, domain: 'com.microsoft', since: [1], traits: { quantized: true, ...given.traits } });

/** x, its scale and zero point, then those of y. The zero point may be left out: then y has the dtype of x. */
const pointwise = (op: string, count: number): OpSpec =>
  quantized(op, {
    inputs: [4, 5],
    says: 'as the input',
    infer: (site) => [known(site.dtype(0), site.shape(0))],
    cost: perOutput(count),
    traits: { sameType: true, sameShape: true, ...(op === 'QLinearSoftmax' ? {} : { elementwise: true }) },
  });

const twoOperands = (op: string): OpSpec =>
  quantized(op, {
    inputs: [7, 8],
    says: 'both inputs, broadcast',
    infer: (site) => [known(site.dtype(0), broadcastShapes(site.shape(0), site.shape(3)))],
    cost: perOutput(6),
    traits: { elementwise: true, sameType: true, commutative: true },
  });

const concat: ShapeRule = (site) => {
  const parts = site.inputs.filter((_, i) => i >= 2 && (i - 2) % 3 === 0).map((part) => part ?? NOTHING);
  return [concatenated(parts, intOf(site.node, 'axis', 0))];
};

const channelsLast = (site: Pick<Site, 'node'>) => intOf(site.node, 'channels_last', 0) === 1;

/** Weights stay [M, C, ...]; with channels_last the activations have their channels at the end. */
function convolved(site: Site): Shape {
  const [x, w] = [site.shape(0), site.shape(3)];
  if (!channelsLast(site) || x === undefined) return convShape(site.node, x, w);
  const [n, ...rest] = x;
  const channels = rest.pop();
  const out = convShape(site.node, [n ?? null, channels ?? null, ...rest], w);
  return out && [out[0]!, ...out.slice(2), out[1]!];
}

const reduceMean: ShapeRule = (site) => {
  const shape = site.shape(0);
  if (shape === undefined) return [known(site.dtype(0), undefined)];
  const axes = (intsOf(site.node, 'axes') ?? shape.map((_, i) => i)).map((axis) =>
    axisIn(axis, shape.length),
  );
  const keep = intOf(site.node, 'keepdims', 1) !== 0;
  const dims = keep
    ? shape.map((dim, i) => (axes.includes(i) ? 1 : dim))
    : shape.filter((_, i) => !axes.includes(i));
  return [known(site.dtype(0), dims)];
};

/** W is [directions, input, gates*hidden] here, R [directions, hidden, gates*hidden]. */
const lstm: ShapeRule = (site) => {
  const [x, r] = [site.ranked(0, 3), site.ranked(2, 3)];
  const [steps, batch] = [x?.[0] ?? null, x?.[1] ?? null];
  const hidden = intOf(site.node, 'hidden_size') ?? r?.[1] ?? null;
  const directions = r?.[0] ?? null;
  const last = known(site.dtype(0), [directions, batch, hidden]);
  return [known(site.dtype(0), [steps, directions, batch, hidden]), last, last];
};

export const QLINEAR = {
  'com.microsoft:QuantizeLinear': quantizers('com.microsoft').QuantizeLinear,
  'com.microsoft:DequantizeLinear': quantizers('com.microsoft').DequantizeLinear,
  'com.microsoft:QLinearConv': quantized('QLinearConv', {
    inputs: [8, 9],
    says: '[N, M, spatial after the window], or channels last',
    infer: (site) => [known(site.dtype(7), convolved(site))],
    cost: convCost(3, 8, 2),
    traits: { weighted: { weight: 3, bias: 8, channelAxis: 0 } },
  }),
  'com.microsoft:QGemm': quantized('QGemm', {
    inputs: [6, 9],
    says: '[M, N]; float32 without the scale of y',
    infer: (site) => {
      const dtype = site.has(8) ? site.dtype(8) : site.has(7) ? site.dtype(0) : 'float32';
      return [known(dtype, gemmShape(site.node, site.shape(0), site.shape(3)))];
    },
    cost: {
      work: 'M*N*K MACs, 3 per output',
      rule: (site) => ({ macs: gemmWork(site).macs, other: 3 * (site.outputs[0]?.size ?? 0) }),
    },
    traits: { weighted: { weight: 3, bias: 6 } },
  }),
  'com.microsoft:DynamicQuantizeMatMul': quantized('DynamicQuantizeMatMul', {
    inputs: [3, 5],
    says: 'numpy.matmul',
    infer: (site) => [known(site.dtype(0), matmulShape(site.shape(0), site.shape(1)))],
    cost: matmulCost(0, 3),
    traits: { sameType: true, weighted: { weight: 1, bias: 4, channelAxis: -1 } },
  }),
  'com.microsoft:MatMulIntegerToFloat': quantized('MatMulIntegerToFloat', {
    inputs: [4, 7],
    says: 'numpy.matmul; dtype of the scale',
    infer: (site) => [known(site.dtype(2), matmulShape(site.shape(0), site.shape(1)))],
    cost: matmulCost(0, 2),
    traits: { weighted: { weight: 1, bias: 6, channelAxis: -1 } },
  }),
  'com.microsoft:DynamicQuantizeLSTM': quantized('DynamicQuantizeLSTM', {
    inputs: [12, 12],
    outputs: [0, 3],
    says: '[steps, directions, N, hidden]; the last step of each state',
    infer: lstm,
    cost: {
      work: 'steps*N*(W + R) MACs, 30 per unit and step',
      rule: ({ inputs }) => {
        const [x, w, r] = inputs;
        const rounds = sizeOf(x?.dims.slice(0, 2) ?? [0]);
        return {
          macs: rounds * ((w?.size ?? 0) + (r?.size ?? 0)),
          other: 30 * rounds * sizeOf(r?.dims.slice(0, 2) ?? [0]),
        };
      },
    },
    traits: { sameType: true },
  }),
  'com.microsoft:QLinearAdd': twoOperands('QLinearAdd'),
  'com.microsoft:QLinearMul': twoOperands('QLinearMul'),
  'com.microsoft:QLinearSigmoid': pointwise('QLinearSigmoid', 1),
  'com.microsoft:QLinearLeakyRelu': pointwise('QLinearLeakyRelu', 1),
  'com.microsoft:QLinearSoftmax': pointwise('QLinearSoftmax', 5),
  'com.microsoft:QLinearConcat': quantized('QLinearConcat', {
    inputs: [5, MANY],
    says: 'the sizes along axis added',
    infer: concat,
    cost: perOutput(2),
  }),
  'com.microsoft:QLinearWhere': quantized('QLinearWhere', {
    inputs: [9, 9],
    says: 'all inputs, broadcast',
    infer: (site) => [known(site.dtype(1), broadcastShapes(site.shape(0), site.shape(1), site.shape(4)))],
    cost: perOutput(3),
    traits: { elementwise: true },
  }),
  'com.microsoft:QLinearReduceMean': quantized('QLinearReduceMean', {
    inputs: [4, 5],
    says: 'axes left out, or 1',
    infer: reduceMean,
    cost: perInput(1),
    traits: { sameType: true },
  }),
  'com.microsoft:QLinearAveragePool': quantized('QLinearAveragePool', {
    inputs: [4, 5],
    says: '[N, C, spatial after the window], or channels last',
    infer: (site) => [known(site.dtype(0), pooled(site, 0, channelsLast(site) ? 1 : 2))],
    cost: poolCost(2),
    traits: { sameType: true },
  }),
  'com.microsoft:QLinearGlobalAveragePool': quantized('QLinearGlobalAveragePool', {
    inputs: [5, 5],
    says: '[N, C, 1...], or channels last',
    infer: (site) => [known(site.dtype(0), globallyPooled(site, 0, channelsLast(site)))],
    cost: perInput(1),
    traits: { sameType: true },
  }),
  'com.microsoft:NhwcMaxPool': quantized('NhwcMaxPool', {
    inputs: [1, 1],
    says: '[N, spatial after the window, C]',
    infer: (site) => [known(site.dtype(0), pooled(site, 0, 1))],
    cost: poolCost(0),
    traits: { sameType: true },
  }),
} as const satisfies Record<string, OpSpec>;
