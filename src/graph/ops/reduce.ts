import { intOf } from '../attributes.ts';
import type { Dim, Shape } from '../model.ts';
import { axisIn, unknownDims } from './dims.ts';
import { type Element, known, type OpSpec, perInput, type ShapeRule, type Site, spec } from './op.ts';

function reducedShape(site: Site): Shape {
  const shape = site.shape(0);
  const keep = intOf(site.node, 'keepdims', 1) !== 0;
  const axes = site.axes(1, shape?.length);
  const empty = axes === 'absent' || axes?.length === 0;
  if (empty && intOf(site.node, 'noop_with_empty_axes', 0) !== 0) return shape;
  if (empty) return keep ? shape?.map(() => 1) : [];
  if (shape === undefined) return undefined;
  if (axes === undefined) {
    const count = site.shape(1)?.[0];
    if (keep) return unknownDims(shape.length);
    return typeof count === 'number' && count > 0 ? unknownDims(shape.length - count) : undefined;
  }
  const gone = new Set<number>(axes as readonly number[]);
  return keep ? shape.map((dim, i) => (gone.has(i) ? 1 : dim)) : shape.filter((_, i) => !gone.has(i));
}

type Fold = (numbers: readonly number[]) => number;

/** A full reduction of a small list that is known: shapes are computed so (ReduceProd of a Shape). */
function reducedElements(site: Site, fold: Fold | undefined, shape: Shape): Element[] | undefined {
  const numbers = site.numbers(0);
  if (fold === undefined || numbers === undefined || numbers.length === 0 || site.shape(0)?.length !== 1)
    return undefined;
  return shape?.length === 0 || shape?.[0] === 1 ? [fold(numbers)] : undefined;
}

function reduce(op: string, since: readonly number[], count = 1, fold?: Fold): OpSpec {
  return spec({
    op,
    since,
    inputs: [1, 2],
    says: 'axes left out, or 1',
    infer: (site) => {
      const shape = reducedShape(site);
      return [known(site.dtype(0), shape, reducedElements(site, fold, shape))];
    },
    cost: perInput(count),
    traits: { sameType: true },
  });
}

const arg: ShapeRule = (site) => {
  const shape = site.shape(0);
  const keep = intOf(site.node, 'keepdims', 1) !== 0;
  if (shape === undefined) return [known('int64', undefined)];
  const axis = axisIn(intOf(site.node, 'axis', 0), shape.length);
  const dims: Dim[] = keep
    ? shape.map((dim, i) => (i === axis ? 1 : dim))
    : shape.filter((_, i) => i !== axis);
  return [known('int64', dims)];
};

const argOf = (op: string): OpSpec =>
  spec({
    op,
    since: [1, 11, 12, 13],
    inputs: [1, 1],
    says: 'axis left out, or 1; int64',
    infer: arg,
    cost: perInput(1),
  });

const sum: Fold = (numbers) => numbers.reduce((a, b) => a + b, 0);

/** Axes reduced to one number. */
export const REDUCE = {
  ReduceL1: reduce('ReduceL1', [1, 11, 13, 18], 2),
  ReduceL2: reduce('ReduceL2', [1, 11, 13, 18], 2),
  ReduceLogSum: reduce('ReduceLogSum', [1, 11, 13, 18]),
  ReduceLogSumExp: reduce('ReduceLogSumExp', [1, 11, 13, 18], 2),
  ReduceMax: reduce('ReduceMax', [1, 11, 12, 13, 18, 20], 1, (numbers) => Math.max(...numbers)),
  ReduceMean: reduce('ReduceMean', [1, 11, 13, 18]),
  ReduceMin: reduce('ReduceMin', [1, 11, 12, 13, 18, 20], 1, (numbers) => Math.min(...numbers)),
  ReduceProd: reduce('ReduceProd', [1, 11, 13, 18], 1, (numbers) => numbers.reduce((a, b) => a * b, 1)),
  ReduceSum: reduce('ReduceSum', [1, 11, 13], 1, sum),
  ReduceSumSquare: reduce('ReduceSumSquare', [1, 11, 13, 18], 2),
  ArgMax: argOf('ArgMax'),
  ArgMin: argOf('ArgMin'),
} as const satisfies Record<string, OpSpec>;
