import { fail } from '../../base/index.ts';
import { intOf, intsOf } from '../attributes.ts';
import type { Dim } from '../model.ts';
import { axisIn, mapDim, mulDims, unknownDims } from './dims.ts';
import { gathered } from './elements.ts';
import { known, likeInput, type OpSpec, type ShapeRule, spec } from './op.ts';

const transpose: ShapeRule = (site) => {
  const { dtype, shape } = site.at(0);
  const perm = intsOf(site.node, 'perm') ?? shape?.map((_, i) => shape.length - 1 - i);
  if (perm === undefined) return [known(dtype, undefined)];
  if (shape === undefined) return [known(dtype, unknownDims(perm.length))];
  if (perm.length !== shape.length || new Set(perm).size !== shape.length) {
    throw fail('SHAPE_MISMATCH', `[${perm}] is no permutation of ${shape.length} axes`);
  }
  const axes = perm.map((axis) => axisIn(axis, shape.length));
  const dims = axes.map((axis) => shape[axis]!);
  const elements = gathered(site.at(0), dims, (index) => {
    const from = new Array<number>(dims.length);
    for (const [i, axis] of axes.entries()) from[axis] = index[i]!;
    return from;
  });
  return [known(dtype, dims, elements)];
};

const expand: ShapeRule = (site) => {
  const { dtype, shape } = site.at(0);
  const target = site.at(1).elements;
  if (shape === undefined || target === undefined) {
    const rank = site.shape(1)?.[0];
    const most = shape !== undefined && typeof rank === 'number' ? Math.max(rank, shape.length) : undefined;
    return [known(dtype, most === undefined ? undefined : unknownDims(most))];
  }
  const rank = Math.max(shape.length, target.length);
  const dims: Dim[] = [];
  for (let i = 0; i < rank; i++) {
    const a = i < rank - shape.length ? 1 : shape[i - rank + shape.length]!;
    const b = i < rank - target.length ? 1 : target[i - rank + target.length]!;
    if (typeof a === 'number' && typeof b === 'number' && a !== b && a !== 1 && b !== 1) {
      throw fail('SHAPE_MISMATCH', `a dimension of ${a} cannot be expanded to ${b}`);
    }
    dims.push(
      b === 1 || a === b
        ? a
        : a === 1
          ? b
          : typeof a === 'number'
            ? a
            : typeof b === 'number' && b > 1
              ? b
              : null,
    );
  }
  const source = site.at(0);
  const shift = rank - shape.length;
  const elements = gathered(source, dims, (index) =>
    shape.map((dim, i) => (dim === 1 ? 0 : index[i + shift]!)),
  );
  return [known(dtype, dims, elements)];
};

const tile: ShapeRule = (site) => {
  const { dtype, shape } = site.at(0);
  if (shape === undefined) {
    const rank = site.shape(1)?.[0];
    return [known(dtype, site.opset >= 6 && typeof rank === 'number' ? unknownDims(rank) : undefined)];
  }
  if (site.opset < 6) {
    const [tiles, axis] = [site.scalar(1), site.scalar(2)];
    if (tiles === undefined || axis === undefined) return [known(dtype, unknownDims(shape.length))];
    return [
      known(
        dtype,
        shape.map((dim, i) => (i === axis ? mulDims(dim, tiles) : dim)),
      ),
    ];
  }
  const repeats = site.at(1).elements;
  if (repeats !== undefined && repeats.length !== shape.length) {
    throw fail('SHAPE_MISMATCH', `${repeats.length} repeats for ${shape.length} axes`);
  }
  const dims = shape.map((dim, i) => (repeats === undefined ? null : mulDims(dim, repeats[i]!)));
  const elements = gathered(site.at(0), dims, (index) => index.map((at, i) => at % Number(shape[i])));
  return [known(dtype, dims, elements)];
};

/** Depth to space (`out` > 0) or back, by blocks of `blocksize`. */
function blocks(towardsSpace: boolean): ShapeRule {
  return (site) => {
    const shape = site.ranked(0, 4);
    const block = intOf(site.node, 'blocksize', 1);
    if (shape === undefined) return [known(site.dtype(0), unknownDims(4))];
    const area = block * block;
    const shrink = (dim: Dim, by: number) =>
      mapDim(dim, (size) => {
        if (size % by !== 0) throw fail('SHAPE_MISMATCH', `a dimension of ${size} is no multiple of ${by}`);
        return size / by;
      });
    const [n, c, h, w] = shape as [Dim, Dim, Dim, Dim];
    const dims = towardsSpace
      ? [n, shrink(c, area), mulDims(h, block), mulDims(w, block)]
      : [n, mulDims(c, area), shrink(h, block), shrink(w, block)];
    return [known(site.dtype(0), dims)];
  };
}

const MOVES = { moves: true, sameType: true } as const;

/** Elements in another order, or repeated. */
export const REARRANGE = {
  Transpose: spec({
    op: 'Transpose',
    since: [1, 13, 21, 23, 24, 25],
    inputs: [1, 1],
    says: 'permuted',
    infer: transpose,
    traits: MOVES,
  }),
  Expand: spec({
    op: 'Expand',
    since: [8, 13],
    inputs: [2, 2],
    says: 'broadcast with the target',
    infer: expand,
    traits: MOVES,
  }),
  Tile: spec({
    op: 'Tile',
    since: [1, 6, 13],
    inputs: [2, 3],
    says: 'each dimension times its repeats',
    infer: tile,
    traits: MOVES,
  }),
  DepthToSpace: spec({
    op: 'DepthToSpace',
    since: [1, 11, 13],
    inputs: [1, 1],
    says: '[N, C/b^2, H*b, W*b]',
    infer: blocks(true),
    traits: MOVES,
  }),
  SpaceToDepth: spec({
    op: 'SpaceToDepth',
    since: [1, 13],
    inputs: [1, 1],
    says: '[N, C*b^2, H/b, W/b]',
    infer: blocks(false),
    traits: MOVES,
  }),
  ReverseSequence: spec({
    op: 'ReverseSequence',
    since: [10],
    inputs: [2, 2],
    says: 'as the input',
    infer: likeInput,
    traits: { ...MOVES, sameShape: true },
  }),
  Identity: spec({
    op: 'Identity',
    since: [1, 13, 14, 16, 19, 21, 23, 24, 25],
    inputs: [1, 1],
    says: 'as the input',
    infer: (site) => [site.at(0)],
    traits: { ...MOVES, sameShape: true, elementwise: true },
  }),
} as const satisfies Record<string, OpSpec>;
