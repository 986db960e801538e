import { fail } from '../../base/index.ts';
import { intOf } from '../attributes.ts';
import type { Dim } from '../model.ts';
import { axisIn, broadcastShapes, shapeText } from './dims.ts';
import { broadcastElements, followed, indicesOf, stridesOf } from './elements.ts';
import {
  type Element,
  known,
  likeInput,
  type OpSpec,
  perInput,
  perOutput,
  type ShapeRule,
  type Site,
  spec,
} from './op.ts';

const gather: ShapeRule = (site) => {
  const [data, indices] = [site.at(0), site.at(1)];
  if (data.shape === undefined || indices.shape === undefined) return [known(data.dtype, undefined)];
  const axis = axisIn(intOf(site.node, 'axis', 0), data.shape.length);
  const dims = [...data.shape.slice(0, axis), ...indices.shape, ...data.shape.slice(axis + 1)];
  return [known(data.dtype, dims, gatheredElements(site, axis, dims))];
};

function gatheredElements(site: Site, axis: number, dims: readonly Dim[]): Element[] | undefined {
  const [data, indices] = [site.at(0), site.at(1)];
  const { elements, shape } = data;
  if (elements === undefined || indices.elements === undefined || followed(dims) === undefined)
    return undefined;
  const from = shape as readonly number[];
  const size = from[axis]!;
  const strides = stridesOf(from);
  const indexStrides = stridesOf(indices.shape as readonly number[]);
  const rank = indices.shape!.length;
  const result: Element[] = [];
  for (const index of indicesOf(dims as readonly number[])) {
    const chosen =
      indices.elements[indexStrides.reduce((sum, stride, i) => sum + stride * index[axis + i]!, 0)];
    if (typeof chosen !== 'number') {
      result.push(null);
      continue;
    }
    if (chosen < -size || chosen >= size) {
      throw fail('SHAPE_MISMATCH', `index ${chosen} of axis ${axis} of ${shapeText(shape)}`);
    }
    let at = (chosen < 0 ? chosen + size : chosen) * strides[axis]!;
    for (let i = 0; i < from.length; i++) {
      if (i !== axis) at += strides[i]! * index[i < axis ? i : i + rank - 1]!;
    }
    result.push(elements[at] ?? null);
  }
  return result;
}

const gatherND: ShapeRule = (site) => {
  const { dtype, shape } = site.at(0);
  const indices = site.shape(1);
  const last = indices?.at(-1);
  if (shape === undefined || indices === undefined || typeof last !== 'number')
    return [known(dtype, undefined)];
  const batch = intOf(site.node, 'batch_dims', 0);
  if (batch + last > shape.length) {
    throw fail('SHAPE_MISMATCH', `indices of depth ${last} into ${shapeText(shape)} (batch_dims ${batch})`);
  }
  return [known(dtype, [...indices.slice(0, -1), ...shape.slice(batch + last)])];
};

const topK: ShapeRule = (site) => {
  const { dtype, shape } = site.at(0);
  if (shape === undefined) return [known(dtype, undefined), known('int64', undefined)];
  const axis = axisIn(intOf(site.node, 'axis', -1), shape.length);
  const k = intOf(site.node, 'k') ?? site.at(1).elements?.[0] ?? null;
  const dim = shape[axis];
  if (typeof k === 'number' && typeof dim === 'number' && k > dim) {
    throw fail('SHAPE_MISMATCH', `the ${k} largest of ${dim}`);
  }
  const dims = shape.map((old, i) => (i === axis ? k : old));
  return [known(dtype, dims), known('int64', dims)];
};

const compress: ShapeRule = (site) => {
  const { dtype, shape } = site.at(0);
  const axis = intOf(site.node, 'axis');
  if (axis === undefined) return [known(dtype, [null])];
  return [
    known(
      dtype,
      shape?.map((dim, i) => (i === axisIn(axis, shape.length) ? null : dim)),
    ),
  ];
};

const unique: ShapeRule = (site) => {
  const { dtype, shape } = site.at(0);
  const axis = intOf(site.node, 'axis');
  const kept =
    axis === undefined ? [null] : shape?.map((dim, i) => (i === axisIn(axis, shape.length) ? null : dim));
  const list = known('int64', [null]);
  return [known(dtype, kept), list, list, list];
};

const oneHot: ShapeRule = (site) => {
  const indices = site.shape(0);
  const dtype = site.dtype(2);
  if (indices === undefined) return [known(dtype, undefined)];
  const axis = axisIn(intOf(site.node, 'axis', -1), indices.length + 1);
  const depth = site.at(1).elements?.[0] ?? null;
  return [known(dtype, [...indices.slice(0, axis), depth, ...indices.slice(axis)])];
};

const where: ShapeRule = (site) => {
  const shape = broadcastShapes(site.shape(0), site.shape(1), site.shape(2));
  const [chosen, yes, no] = [0, 1, 2].map((i) => broadcastElements(site.at(i), shape));
  const elements = chosen?.map((truth, i) => {
    const [a, b] = [yes?.[i] ?? null, no?.[i] ?? null];
    return typeof truth !== 'number' ? (a === b ? a : null) : truth !== 0 ? a : b;
  });
  return [known(site.dtype(1) ?? site.dtype(2), shape, elements)];
};

const scatter = (op: string, since: readonly number[], inputs: readonly [number, number] = [3, 3]) =>
  spec({
    op,
    since,
    inputs,
    says: 'as the data',
    infer: likeInput,
    traits: { sameType: true, sameShape: true },
  });

/** Elements chosen by indices or by value. */
export const GATHER = {
  Gather: spec({
    op: 'Gather',
    since: [1, 11, 13],
    inputs: [2, 2],
    says: 'axis replaced by the shape of the indices',
    infer: gather,
    traits: { moves: true, sameType: true },
  }),
  GatherElements: spec({
    op: 'GatherElements',
    since: [11, 13],
    inputs: [2, 2],
    says: 'as the indices',
    infer: (site) => [known(site.dtype(0), site.shape(1))],
    traits: { moves: true, sameType: true },
  }),
  GatherND: spec({
    op: 'GatherND',
    since: [11, 12, 13],
    inputs: [2, 2],
    says: 'indices without their last axis, then what they leave of the data',
    infer: gatherND,
    traits: { moves: true, sameType: true },
  }),
  Scatter: scatter('Scatter', [9, 11]),
  ScatterElements: scatter('ScatterElements', [11, 13, 16, 18]),
  ScatterND: scatter('ScatterND', [11, 13, 16, 18]),
  TensorScatter: scatter('TensorScatter', [24], [2, 3]),
  TopK: spec({
    op: 'TopK',
    since: [1, 10, 11, 24],
    inputs: [1, 2],
    outputs: [2, 2],
    says: 'k along axis',
    infer: topK,
    cost: perInput(1),
    traits: { sameType: true },
  }),
  Compress: spec({
    op: 'Compress',
    since: [9, 11],
    inputs: [2, 2],
    says: 'unknown along axis',
    infer: compress,
    traits: { moves: true, sameType: true },
  }),
  Unique: spec({
    op: 'Unique',
    since: [11],
    inputs: [1, 1],
    outputs: [1, 4],
    says: 'unknown along axis',
    infer: unique,
    cost: perInput(1),
    traits: { moves: true, sameType: true },
  }),
  NonZero: spec({
    op: 'NonZero',
    since: [9, 13],
    inputs: [1, 1],
    says: '[rank, unknown]',
    infer: (site) => [known('int64', [site.shape(0)?.length ?? null, null])],
    cost: perInput(1),
  }),
  OneHot: spec({
    op: 'OneHot',
    since: [9, 11],
    inputs: [3, 3],
    says: 'indices with depth put in at axis',
    infer: oneHot,
  }),
  Where: spec({
    op: 'Where',
    since: [9, 16],
    inputs: [3, 3],
    says: 'all inputs, broadcast',
    infer: where,
    cost: perOutput(1),
    traits: { elementwise: true },
  }),
} as const satisfies Record<string, OpSpec>;
