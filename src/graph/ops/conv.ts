import { fail } from '../../base/index.ts';
import { intOf, intsOf } from '../attributes.ts';
import { type DType, sizeOf } from '../dtype.ts';
import type { Dim, Node, Shape } from '../model.ts';
import { mapDim, mulDims, sameDim, shapeText, unknownDims } from './dims.ts';
import { type CostPhrase, known, type OpSpec, type ShapeRule, spec } from './op.ts';
import { kernelOf, slid, windowOf } from './window.ts';

/** [N, M, spatial...] of a convolution of x [N, C, ...] by w [M, C/group, ...]. */
export function convShape(node: Node, x: Shape, w: Shape): Shape {
  const kernel = kernelOf(node, w);
  const rank = x?.length ?? (kernel === undefined ? undefined : kernel.length + 2);
  if (rank === undefined) return undefined;
  if (rank < 3 || (w !== undefined && w.length !== rank)) {
    throw fail('SHAPE_MISMATCH', `a convolution of ${shapeText(x)} by ${shapeText(w)}`);
  }
  const group = intOf(node, 'group', 1);
  sameDim(
    x?.[1] ?? null,
    mulDims(w?.[1] ?? null, group),
    `channels of ${shapeText(x)} and ${shapeText(w)} (group ${group})`,
  );
  const spatial =
    x === undefined || kernel === undefined
      ? unknownDims(rank - 2)
      : slid(x.slice(2), windowOf(node, kernel));
  return [x?.[0] ?? null, w?.[0] ?? null, ...spatial];
}

/** Each output element takes one MAC per weight of its channel. */
export function convCost(weight: number, bias: number | undefined, extra = 0): CostPhrase {
  return {
    work: 'N*M*spatial*(C/group)*kernel MACs, 1 per output for the bias',
    rule: ({ inputs, outputs }) => {
      const size = outputs[0]?.size ?? 0;
      const added = extra + (bias !== undefined && inputs[bias] !== undefined ? 1 : 0);
      return { macs: size * sizeOf(inputs[weight]?.dims.slice(1) ?? [0]), other: added * size };
    },
  };
}

const conv =
  (weight: number, to: (site: Parameters<ShapeRule>[0]) => DType | undefined): ShapeRule =>
  (site) => [known(to(site), convShape(site.node, site.shape(0), site.shape(weight)))];

const transposed: ShapeRule = (site) => {
  const { node } = site;
  const [x, w] = [site.shape(0), site.shape(1)];
  const kernel = kernelOf(node, w);
  if (x === undefined || kernel === undefined) return [known(site.dtype(0), x && unknownDims(x.length))];
  if (x.length !== kernel.length + 2) {
    throw fail('SHAPE_MISMATCH', `a transposed convolution of ${shapeText(x)} by ${shapeText(w)}`);
  }
  sameDim(x[1]!, w?.[0] ?? null, `channels of ${shapeText(x)} and ${shapeText(w)}`);
  const window = windowOf(node, kernel);
  const output = intsOf(node, 'output_shape');
  const extra = intsOf(node, 'output_padding');
  const spatial = kernel.map((size, i): Dim => {
    if (output !== undefined) return output[output.length - kernel.length + i] ?? null;
    const dim = x[i + 2]!;
    const stride = window.strides[i]!;
    if (window.auto.startsWith('SAME')) return mulDims(dim, stride);
    if (typeof size !== 'number') return null;
    const reach = (size - 1) * window.dilations[i]! + 1 + (extra?.[i] ?? 0);
    const pads = window.auto === 'VALID' ? 0 : window.pads[i]! + window.pads[i + kernel.length]!;
    if (typeof dim === 'string') return stride === 1 && reach - 1 === pads ? dim : null;
    return mapDim(dim, (n) => stride * (n - 1) + reach - pads);
  });
  const channels = mulDims(w?.[1] ?? null, intOf(node, 'group', 1));
  return [known(site.dtype(0), [x[0]!, channels, ...spatial])];
};

const deform: ShapeRule = (site) => [
  known(site.dtype(0), convShape(site.node, site.shape(0), site.shape(1))),
];

/** A convolution over the past alone, with the last inputs kept: [batch, channels, length]. */
const causal: ShapeRule = (site) => {
  const [x, w] = [site.shape(0), site.shape(1)];
  const past = mapDim(w?.at(-1) ?? null, (kernel) => kernel - 1);
  return [
    known(site.dtype(0), x),
    known(site.dtype(0), x === undefined ? undefined : [...x.slice(0, 2), past]),
  ];
};

const WEIGHTS = { weight: 1, bias: 2, channelAxis: 0 } as const;
const SAYS = '[N, M, spatial after the window]';

/** Convolutions. */
export const CONV = {
  Conv: spec({
    op: 'Conv',
    since: [1, 11, 22],
    inputs: [2, 3],
    says: SAYS,
    infer: conv(1, (site) => site.dtype(0)),
    cost: convCost(1, 2),
    traits: { sameType: true, weighted: WEIGHTS },
  }),
  ConvInteger: spec({
    op: 'ConvInteger',
    since: [10],
    inputs: [2, 4],
    says: `${SAYS}; int32`,
    infer: conv(1, () => 'int32'),
    cost: convCost(1, undefined),
    traits: { weighted: { weight: 1, channelAxis: 0 }, quantized: true },
  }),
  QLinearConv: spec({
    op: 'QLinearConv',
    since: [10],
    inputs: [8, 9],
    says: `${SAYS}; dtype of y_zero_point`,
    infer: conv(3, (site) => site.dtype(7)),
    cost: convCost(3, 8, 2),
    traits: { weighted: { weight: 3, bias: 8, channelAxis: 0 }, quantized: true },
  }),
  ConvTranspose: spec({
    op: 'ConvTranspose',
    since: [1, 11, 22],
    inputs: [2, 3],
    says: '[N, M, stride*(size-1) + window - pads]',
    infer: transposed,
    cost: {
      work: 'N*C*spatial*(M/group)*kernel MACs, 1 per output for the bias',
      rule: ({ inputs, outputs }) => ({
        macs: (inputs[0]?.size ?? 0) * sizeOf(inputs[1]?.dims.slice(1) ?? [0]),
        other: inputs[2] === undefined ? 0 : (outputs[0]?.size ?? 0),
      }),
    },
    traits: { sameType: true, weighted: { weight: 1, bias: 2, channelAxis: 1 } },
  }),
  DeformConv: spec({
    op: 'DeformConv',
    since: [19, 22],
    inputs: [3, 5],
    says: SAYS,
    infer: deform,
    cost: convCost(1, 3),
    traits: { sameType: true, weighted: { weight: 1, bias: 3, channelAxis: 0 } },
  }),
  CausalConvWithState: spec({
    op: 'CausalConvWithState',
    since: [27],
    inputs: [2, 4],
    outputs: [1, 2],
    says: 'as the input; the last kernel-1 inputs',
    infer: causal,
    cost: convCost(1, 2),
    traits: { sameType: true, sameShape: true, weighted: WEIGHTS },
  }),
} as const satisfies Record<string, OpSpec>;
