import { intOf } from '../attributes.ts';
import type { Dim, Shape } from '../model.ts';
import { convCost, convShape } from './conv.ts';
import { axisIn, broadcastShapes, mapDim, sameDim, shapeText, withDim } from './dims.ts';
import { gemmShape, gemmWork, matmulShape } from './matmul.ts';
import {
  type CostPhrase,
  type CostSite,
  known,
  likeInput,
  type OpSpec,
  perOutput,
  type ShapeRule,
  type Site,
  spec,
} from './op.ts';

/** Float operators of com.microsoft that ONNX Runtime's own optimizer and the quantizers write. */

type Given = Omit<Parameters<typeof spec>[0], 'domain' | 'since' | 'op'>;

const microsoft = (op: string, given: Given): OpSpec =>
  spec({ ...given, op, domain: 'com.microsoft', since: [1] });

const activation = (op: string, count: number, most = 1): OpSpec =>
  microsoft(op, {
    inputs: [1, most],
    says: 'as the input',
    infer: likeInput,
    cost: perOutput(count),
    traits: { elementwise: true, sameType: true, sameShape: true },
  });

/** Transposes the last two axes, or with `batch` moves the first axis in front of the last. */
function turned(shape: Shape, transposed: boolean, batch: boolean): Shape {
  if (shape === undefined || shape.length < 2) return shape;
  const dims = [...shape];
  if (batch && shape.length > 2) dims.splice(shape.length - 2, 0, dims.shift()!);
  if (transposed) [dims[dims.length - 2], dims[dims.length - 1]] = [dims.at(-1)!, dims.at(-2)!];
  return dims;
}

function fusedOperands(site: Pick<Site, 'node'>, a: Shape, b: Shape): [Shape, Shape] {
  const on = (name: string) => intOf(site.node, name, 0) !== 0;
  return [turned(a, on('transA'), on('transBatchA')), turned(b, on('transB'), on('transBatchB'))];
}

const fusedMatMul: OpSpec = microsoft('FusedMatMul', {
  inputs: [2, 2],
  says: 'numpy.matmul, after transposition',
  infer: (site) => [known(site.dtype(0), matmulShape(...fusedOperands(site, site.shape(0), site.shape(1))))],
  cost: {
    work: 'M*N*K MACs per batch',
    rule: (site) => {
      const [a] = fusedOperands(site, site.inputs[0]?.dims, site.inputs[1]?.dims);
      return { macs: (site.outputs[0]?.size ?? 0) * Number(a?.at(-1) ?? 1), other: 0 };
    },
  },
  traits: { sameType: true, weighted: { weight: 1, channelAxis: -1 } },
});

/** Activations [..., K] by weights that are packed: N and K stand in the attributes. */
const packedWeights = (op: string, most: number): OpSpec =>
  microsoft(op, {
    inputs: [3, most],
    says: '[..., N]',
    infer: (site) => {
      const shape = site.shape(0);
      const [k, n] = [intOf(site.node, 'K') ?? null, intOf(site.node, 'N') ?? null];
      if (shape !== undefined) sameDim(shape.at(-1) ?? null, k, `K and the last axis of ${shapeText(shape)}`);
      return [known(site.dtype(0), shape && [...shape.slice(0, -1), n])];
    },
    cost: {
      work: 'M*N*K MACs, 2 per weight to unpack',
      rule: ({ node, outputs }) => {
        const [k, n] = [intOf(node, 'K', 0), intOf(node, 'N', 0)];
        return { macs: (outputs[0]?.size ?? 0) * k, other: 2 * k * n, parameters: k * n };
      },
    },
    traits: { sameType: true, weighted: { weight: 1, channelAxis: 0 }, quantized: true },
  });

const skipNorm = (op: string, count: number, inputs: readonly [number, number]): OpSpec =>
  microsoft(op, {
    inputs,
    outputs: [1, 4],
    says: 'as the input',
    infer: (site) => {
      const { dtype, shape } = site.at(0);
      const row = known('float32', shape && withDim(shape, shape.length - 1, 1));
      return [known(dtype, shape), row, row, known(dtype, shape)];
    },
    cost: perOutput(count),
    traits: { sameType: true, sameShape: true },
  });

const embed: ShapeRule = (site) => {
  const ids = site.shape(0);
  const all = known(site.dtype(2), ids && [...ids, site.shape(2)?.[1] ?? null]);
  return [all, known('int32', ids?.slice(0, 1)), all];
};

/** Rows of a matrix of packed 4- or 8-bit numbers, unpacked. */
const gatherBlocks: ShapeRule = (site) => {
  const [data, indices] = [site.shape(0), site.shape(1)];
  const dtype = site.dtype(2);
  if (data === undefined || indices === undefined) return [known(dtype, undefined)];
  const gathered = axisIn(intOf(site.node, 'gather_axis', 0), data.length);
  const quantized = axisIn(intOf(site.node, 'quantize_axis', 1), data.length);
  const perByte = site.dtype(0) === 'uint8' ? 8 / intOf(site.node, 'bits', 4) : 1;
  const full: Dim[] = withDim(
    data,
    quantized,
    mapDim(data[quantized]!, (size) => size * perByte),
  );
  return [known(dtype, [...full.slice(0, gathered), ...indices, ...full.slice(gathered + 1)])];
};

const sameCost = (count: number): { cost: CostPhrase } => ({ cost: perOutput(count) });

const gemmCost = (extra: number): CostPhrase => ({
  work: 'M*N*K MACs, 1 per output for C',
  rule: (site: CostSite) => {
    const { macs, other } = gemmWork(site);
    return { macs, other: other + extra * (site.outputs[0]?.size ?? 0) };
  },
});

export const CONTRIB = {
  'com.microsoft:Gelu': activation('Gelu', 5),
  'com.microsoft:FastGelu': activation('FastGelu', 9, 2),
  'com.microsoft:QuickGelu': activation('QuickGelu', 6),
  'com.microsoft:BiasGelu': microsoft('BiasGelu', {
    inputs: [2, 2],
    says: 'both inputs, broadcast',
    infer: (site) => [known(site.dtype(0), broadcastShapes(site.shape(0), site.shape(1)))],
    ...sameCost(6),
    traits: { elementwise: true, sameType: true },
  }),
  'com.microsoft:FusedConv': microsoft('FusedConv', {
    inputs: [2, 4],
    says: '[N, M, spatial after the window]',
    infer: (site) => [known(site.dtype(0), convShape(site.node, site.shape(0), site.shape(1)))],
    cost: convCost(1, 2, 1),
    traits: { sameType: true, weighted: { weight: 1, bias: 2, channelAxis: 0 } },
  }),
  'com.microsoft:FusedGemm': microsoft('FusedGemm', {
    inputs: [2, 3],
    says: '[M, N]',
    infer: (site) => [known(site.dtype(0), gemmShape(site.node, site.shape(0), site.shape(1)))],
    cost: gemmCost(1),
    traits: { sameType: true, weighted: { weight: 1, bias: 2 } },
  }),
  'com.microsoft:FusedMatMul': fusedMatMul,
  'com.microsoft:TransposeMatMul': { ...fusedMatMul, op: 'TransposeMatMul' },
  'com.microsoft:MatMulNBits': packedWeights('MatMulNBits', 6),
  'com.microsoft:MatMulBnb4': packedWeights('MatMulBnb4', 3),
  'com.microsoft:GatherBlockQuantized': microsoft('GatherBlockQuantized', {
    inputs: [3, 4],
    says: 'gather_axis replaced by the shape of the indices',
    infer: gatherBlocks,
    ...sameCost(2),
    traits: { quantized: true },
  }),
  'com.microsoft:SkipLayerNormalization': skipNorm('SkipLayerNormalization', 10, [3, 5]),
  'com.microsoft:SkipSimplifiedLayerNormalization': skipNorm('SkipSimplifiedLayerNormalization', 7, [3, 4]),
  'com.microsoft:EmbedLayerNormalization': microsoft('EmbedLayerNormalization', {
    inputs: [7, 9],
    outputs: [2, 3],
    says: '[N, length, hidden]',
    infer: embed,
    ...sameCost(10),
  }),
  // ONNX Runtime keeps this one in the default domain.
  SimplifiedLayerNormalization: spec({
    op: 'SimplifiedLayerNormalization',
    since: [1],
    inputs: [2, 2],
    outputs: [1, 2],
    says: 'as the input',
    infer: likeInput,
    cost: perOutput(5),
    traits: { sameType: true, sameShape: true },
  }),
  'com.microsoft:GroupNorm': microsoft('GroupNorm', {
    inputs: [3, 3],
    says: 'as the input',
    infer: likeInput,
    ...sameCost(8),
    traits: { sameType: true, sameShape: true },
  }),
  'com.microsoft:BiasSoftmax': microsoft('BiasSoftmax', {
    inputs: [2, 2],
    says: 'as the input',
    infer: likeInput,
    ...sameCost(6),
    traits: { sameType: true, sameShape: true },
  }),
} as const satisfies Record<string, OpSpec>;
