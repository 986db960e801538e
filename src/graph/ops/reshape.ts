import { fail } from '../../base/index.ts';
import { intOf, intsOf } from '../attributes.ts';
import type { Dim } from '../model.ts';
import { axisIn, isStatic, productOf, quotientOf, shapeText, unknownDims } from './dims.ts';
import { followed } from './elements.ts';
import { type Element, type Known, known, type OpSpec, type ShapeRule, type Site, spec } from './op.ts';

/** The input under another shape: dtype and elements stay. */
function reshaped(source: Known, shape: Known['shape']): Known {
  const elements = followed(shape) === source.elements?.length ? source.elements : undefined;
  return known(source.dtype, shape, elements);
}

const reshape: ShapeRule = (site) => {
  const source = site.at(0);
  const target: readonly Element[] | undefined =
    site.opset < 5 ? intsOf(site.node, 'shape') : site.at(1).elements;
  if (target === undefined) {
    const rank = site.shape(1)?.[0];
    return [known(source.dtype, typeof rank === 'number' ? unknownDims(rank) : undefined)];
  }
  const keepsZero = intOf(site.node, 'allowzero', 0) === 1;
  const dims: Dim[] = [];
  const open: number[] = [];
  for (const [i, element] of target.entries()) {
    if (element === 0 && !keepsZero) {
      if (source.shape !== undefined && i >= source.shape.length) {
        throw fail(
          'SHAPE_MISMATCH',
          `0 at place ${i} copies a dimension that ${shapeText(source.shape)} lacks`,
        );
      }
      dims.push(source.shape?.[i] ?? null);
    } else if (element === -1 || element === null) {
      open.push(i);
      dims.push(null);
    } else dims.push(element);
  }
  // What is not said (-1, or a size that is not known) follows from the number of elements, if it is one place alone.
  if (open.length === 1 && source.shape !== undefined) {
    dims[open[0]!] = quotientOf(
      source.shape,
      dims.filter((_, i) => i !== open[0]),
    );
  }
  if (isStatic(source.shape)) checkSize(source.shape, dims, target);
  return [reshaped(source, dims)];
};

function checkSize(from: readonly number[], to: readonly Dim[], target: readonly Element[]): void {
  const [above, below] = [productOf(from), productOf(to)];
  const open = target.indexOf(-1);
  const rest = productOf(to.filter((_, i) => i !== open));
  const odd = open >= 0 && typeof rest === 'number' && rest > 0 && Number(above) % rest !== 0;
  if (odd || (typeof below === 'number' && above !== below)) {
    throw fail(
      'SHAPE_MISMATCH',
      `${shapeText(from)} cannot be reshaped to [${target.map((t) => t ?? '?').join(', ')}]`,
    );
  }
}

function flattenedTo(site: Site): Dim[] | undefined {
  const shape = site.shape(0);
  if (shape === undefined) return unknownDims(2);
  const given = intOf(site.node, 'axis', 1);
  const axis = given === shape.length ? given : axisIn(given, shape.length);
  return [productOf(shape.slice(0, axis)), productOf(shape.slice(axis))];
}

const squeeze: ShapeRule = (site) => {
  const source = site.at(0);
  const { shape } = source;
  const axes = site.axes(1, shape?.length);
  if (axes === 'absent') {
    const sure = shape?.every((dim) => typeof dim === 'number');
    return [reshaped(source, sure ? shape?.filter((dim) => dim !== 1) : undefined)];
  }
  if (shape === undefined || axes === undefined) {
    const count = site.shape(1)?.[0];
    const rank = shape !== undefined && typeof count === 'number' ? shape.length - count : undefined;
    return [known(source.dtype, rank === undefined ? undefined : unknownDims(rank))];
  }
  for (const axis of axes) {
    const dim = shape[axis];
    if (typeof dim === 'number' && dim !== 1) {
      throw fail('SHAPE_MISMATCH', `axis ${axis} of ${shapeText(shape)} is not of size 1`);
    }
  }
  return [
    reshaped(
      source,
      shape.filter((_, i) => !axes.includes(i)),
    ),
  ];
};

const unsqueeze: ShapeRule = (site) => {
  const source = site.at(0);
  const { shape } = source;
  const given = site.axes(1, undefined);
  const count = Array.isArray(given) ? given.length : site.shape(1)?.[0];
  if (shape === undefined || typeof count !== 'number') return [known(source.dtype, undefined)];
  const rank = shape.length + count;
  if (given === undefined || given === 'absent') return [known(source.dtype, unknownDims(rank))];
  const axes = new Set(given.map((axis) => axisIn(axis, rank)));
  if (axes.size !== given.length) throw fail('SHAPE_MISMATCH', `axes [${given}] name one place twice`);
  const rest = [...shape];
  const dims: Dim[] = [];
  for (let i = 0; i < rank; i++) dims.push(axes.has(i) ? 1 : (rest.shift() ?? null));
  return [reshaped(source, dims)];
};

const MOVES = { moves: true, sameType: true } as const;

/** The same elements in the same order under another shape. */
export const RESHAPE = {
  Reshape: spec({
    op: 'Reshape',
    since: [1, 5, 13, 14, 19, 21, 23, 24, 25],
    inputs: [1, 2],
    says: 'the target; 0 copies, -1 is what is left',
    infer: reshape,
    traits: MOVES,
  }),
  Flatten: spec({
    op: 'Flatten',
    since: [1, 9, 11, 13, 21, 23, 24, 25],
    inputs: [1, 1],
    says: 'two dimensions, split at axis',
    infer: (site) => [reshaped(site.at(0), flattenedTo(site))],
    traits: MOVES,
  }),
  Squeeze: spec({
    op: 'Squeeze',
    since: [1, 11, 13, 21, 23, 24, 25],
    inputs: [1, 2],
    says: 'without axes of size 1',
    infer: squeeze,
    traits: MOVES,
  }),
  Unsqueeze: spec({
    op: 'Unsqueeze',
    since: [1, 11, 13, 21, 23, 24, 25],
    inputs: [1, 2],
    says: 'with axes of size 1 put in',
    infer: unsqueeze,
    traits: MOVES,
  }),
} as const satisfies Record<string, OpSpec>;
