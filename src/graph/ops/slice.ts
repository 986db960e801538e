import { fail } from '../../base/index.ts';
import { intsOf } from '../attributes.ts';
import type { Dim } from '../model.ts';
import { axisIn, unknownDims } from './dims.ts';
import { gathered } from './elements.ts';
import { type Element, known, type OpSpec, type ShapeRule, type Site, spec } from './op.ts';

interface Bounds {
  readonly starts: readonly Element[];
  readonly ends: readonly Element[];
  readonly axes: readonly number[];
  readonly steps: readonly Element[];
}

/** Attributes before opset 10, inputs since. */
function boundsOf(site: Site, rank: number): Bounds | undefined {
  const early = site.opset < 10;
  const starts = early ? intsOf(site.node, 'starts') : site.at(1).elements;
  const ends = early ? intsOf(site.node, 'ends') : site.at(2).elements;
  const count =
    starts?.length ?? ends?.length ?? Number(site.shape(1)?.[0] ?? site.shape(2)?.[0] ?? Number.NaN);
  const given = early ? intsOf(site.node, 'axes') : site.has(3) ? site.numbers(3) : undefined;
  if (!early && site.has(3) && given === undefined) return undefined;
  if (Number.isNaN(count)) return undefined;
  const axes = (given ?? Array.from({ length: count }, (_, i) => i)).map((axis) => axisIn(axis, rank));
  const unknown = new Array<Element>(count).fill(null);
  const steps = early || !site.has(4) ? new Array<Element>(count).fill(1) : (site.at(4).elements ?? unknown);
  if (axes.length !== count || steps.length !== count) {
    throw fail('SHAPE_MISMATCH', `${count} starts, ${axes.length} axes and ${steps.length} steps`);
  }
  return { starts: starts ?? unknown, ends: ends ?? unknown, axes, steps };
}

/** First index and length of start:end:step on an axis of `size`, as numpy clamps them. */
function cut(size: number, start: number, end: number, step: number): { first: number; length: number } {
  if (step === 0) throw fail('SHAPE_MISMATCH', 'a step of 0');
  const [low, high] = step > 0 ? [0, size] : [-1, size - 1];
  const clamp = (at: number) => Math.min(high, Math.max(low, at < 0 ? at + size : at));
  const first = step > 0 ? clamp(start) : Math.min(clamp(start), size - 1);
  // A negative end below -size means "through the first element" for negative steps.
  const last = step < 0 && end < -size ? -1 : clamp(end);
  return { first, length: Math.max(0, Math.ceil((last - first) / step)) };
}

const INT32_MAX = 2 ** 31 - 1;

/** The sliced dimension; `first` is where it starts, if known. */
function sliced(dim: Dim, start: Element, end: Element, step: Element): { dim: Dim; first?: number } {
  if (
    typeof dim === 'number' &&
    typeof start === 'number' &&
    typeof end === 'number' &&
    typeof step === 'number'
  ) {
    const { first, length } = cut(dim, start, end, step);
    return { dim: length, first };
  }
  if (start === 0 && step === 1 && (end === dim || Number(end) >= INT32_MAX) && end !== null)
    return { dim, first: 0 };
  if (start === -1 && step === -1 && typeof end === 'number' && end <= -INT32_MAX) return { dim };
  return { dim: null };
}

const slice: ShapeRule = (site) => {
  const { dtype, shape } = site.at(0);
  if (shape === undefined) return [known(dtype, undefined)];
  const bounds = boundsOf(site, shape.length);
  if (bounds === undefined) return [known(dtype, unknownDims(shape.length))];
  const dims: Dim[] = [...shape];
  const first = new Array<number>(shape.length).fill(0);
  const steps = new Array<number>(shape.length).fill(1);
  let sure = true;
  for (const [i, axis] of bounds.axes.entries()) {
    const part = sliced(dims[axis]!, bounds.starts[i]!, bounds.ends[i]!, bounds.steps[i]!);
    dims[axis] = part.dim;
    first[axis] = part.first ?? 0;
    steps[axis] = Number(bounds.steps[i]);
    if (part.first === undefined) sure = false;
  }
  const elements = sure
    ? gathered(site.at(0), dims, (index) => index.map((at, a) => first[a]! + at * steps[a]!))
    : undefined;
  return [known(dtype, dims, elements)];
};

/** A box cut out. */
export const SLICE = {
  Slice: spec({
    op: 'Slice',
    since: [1, 10, 11, 13],
    inputs: [1, 5],
    says: 'start:end:step of each axis',
    infer: slice,
    traits: { moves: true, sameType: true },
  }),
} as const satisfies Record<string, OpSpec>;
