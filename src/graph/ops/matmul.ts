import { fail } from '../../base/index.ts';
import { intOf } from '../attributes.ts';
import type { DType } from '../dtype.ts';
import type { Dim, Node, Shape } from '../model.ts';
import { broadcastShapes, sameDim, shapeText } from './dims.ts';
import { type CostPhrase, type CostSite, known, type OpSpec, type ShapeRule, spec } from './op.ts';

/** numpy.matmul: batches are broadcast, vectors get an axis and lose it again. */
export function matmulShape(a: Shape, b: Shape): Shape {
  if (a === undefined || b === undefined) return undefined;
  if (a.length === 0 || b.length === 0) throw fail('SHAPE_MISMATCH', 'a scalar in a matrix product');
  const left: readonly Dim[] = a.length === 1 ? [1, ...a] : a;
  const right: readonly Dim[] = b.length === 1 ? [...b, 1] : b;
  sameDim(left.at(-1)!, right.at(-2)!, `the inner dimensions of ${shapeText(a)} x ${shapeText(b)}`);
  const batch = broadcastShapes(left.slice(0, -2), right.slice(0, -2)) ?? [];
  const dims = [...batch];
  if (a.length > 1) dims.push(left.at(-2)!);
  if (b.length > 1) dims.push(right.at(-1)!);
  return dims;
}

/** Output elements times the inner dimension, found in input `left`. */
export function matmulCost(left = 0, extra = 0): CostPhrase {
  return {
    work: 'M*N*K MACs per batch',
    rule: ({ inputs, outputs }) => {
      const size = outputs[0]?.size ?? 0;
      return { macs: size * (inputs[left]?.dims.at(-1) ?? 1), other: extra * size };
    },
  };
}

/** The shape of a two-dimensional product with optional transposition (Gemm and its kin). */
export function gemmShape(node: Node, a: Shape, b: Shape): Shape {
  const [m, k1] = turned(a, intOf(node, 'transA', 0) !== 0);
  const [k2, n] = turned(b, intOf(node, 'transB', 0) !== 0);
  sameDim(k1, k2, `the inner dimensions of ${shapeText(a)} x ${shapeText(b)}`);
  return [m, n];
}

function turned(shape: Shape, transposed: boolean): [Dim, Dim] {
  if (shape === undefined) return [null, null];
  if (shape.length !== 2) throw fail('SHAPE_MISMATCH', `${shapeText(shape)} is no matrix`);
  const [first, second] = shape as [Dim, Dim];
  return transposed ? [second, first] : [first, second];
}

/** MACs of a Gemm, and the bias. */
export function gemmWork({ node, inputs, outputs }: CostSite): { macs: number; other: number } {
  const size = outputs[0]?.size ?? 0;
  const k = inputs[0]?.dims[intOf(node, 'transA', 0) !== 0 ? 0 : 1] ?? 0;
  return { macs: size * k, other: inputs[2] === undefined ? 0 : size };
}

const gemm: ShapeRule = (site) => {
  const shape = gemmShape(site.node, site.shape(0), site.shape(1));
  return [known(site.dtype(0), shape)];
};

const matmul =
  (to?: DType): ShapeRule =>
  (site) => [known(to ?? site.dtype(0), matmulShape(site.shape(0), site.shape(1)))];

/** Matrix products. */
export const MATMUL = {
  MatMul: spec({
    op: 'MatMul',
    since: [1, 9, 13],
    inputs: [2, 2],
    says: 'numpy.matmul',
    infer: matmul(),
    cost: matmulCost(),
    traits: { sameType: true, weighted: { weight: 1, channelAxis: -1 } },
  }),
  MatMulInteger: spec({
    op: 'MatMulInteger',
    since: [10],
    inputs: [2, 4],
    says: 'numpy.matmul; int32',
    infer: matmul('int32'),
    cost: matmulCost(),
    traits: { weighted: { weight: 1, channelAxis: -1 }, quantized: true },
  }),
  QLinearMatMul: spec({
    op: 'QLinearMatMul',
    since: [10, 21],
    inputs: [8, 8],
    says: 'numpy.matmul; dtype of y_zero_point',
    infer: (site) => [known(site.dtype(7), matmulShape(site.shape(0), site.shape(3)))],
    cost: matmulCost(0, 2),
    traits: { weighted: { weight: 3, channelAxis: -1 }, quantized: true },
  }),
  Gemm: spec({
    op: 'Gemm',
    since: [1, 6, 7, 9, 11, 13],
    inputs: [2, 3],
    says: '[M, N]',
    infer: gemm,
    cost: { work: 'M*N*K MACs, 1 per output for C', rule: gemmWork },
    traits: { sameType: true, weighted: { weight: 1, bias: 2 } },
  }),
} as const satisfies Record<string, OpSpec>;
