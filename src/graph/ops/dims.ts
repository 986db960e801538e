import { fail } from '../../base/index.ts';
import type { Dim, Shape } from '../model.ts';

/** Arithmetic on dimensions of which some are symbols or unknown. Whatever cannot be said for sure is null. */

export function addDims(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  return a === 0 ? b : b === 0 ? a : null;
}

export function mulDims(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return a * b;
  if (a === 0 || b === 0) return 0;
  return a === 1 ? b : b === 1 ? a : null;
}

/** A function of one dimension, where it is a number. */
export function mapDim(dim: Dim, change: (size: number) => number): Dim {
  return typeof dim === 'number' ? change(dim) : null;
}

export function productOf(dims: readonly Dim[]): Dim {
  if (dims.includes(0)) return 0;
  let product: Dim = 1;
  for (const dim of dims) product = mulDims(product, dim);
  return product;
}

/** What is left of product(above) / product(below) after cancelling; null where it cannot be said. */
export function quotientOf(above: readonly Dim[], below: readonly Dim[]): Dim {
  const rest: Dim[] = [...above];
  let divisor = 1;
  for (const dim of below) {
    if (typeof dim === 'number') divisor *= dim;
    else {
      const at = dim === null ? -1 : rest.indexOf(dim);
      if (at < 0) return null;
      rest.splice(at, 1);
    }
  }
  let number = 1;
  const symbols: Dim[] = [];
  for (const dim of rest) {
    if (typeof dim === 'number') number *= dim;
    else symbols.push(dim);
  }
  if (divisor === 0) return null;
  if (symbols.length === 0) return Number.isInteger(number / divisor) ? number / divisor : null;
  return symbols.length === 1 && number === divisor ? symbols[0]! : null;
}

/** True for a shape of numbers only. */
export function isStatic(shape: Shape): shape is readonly number[] {
  return shape?.every((dim) => typeof dim === 'number') ?? false;
}

/** A shape of which only the rank is known. */
export function unknownDims(rank: number): Dim[] {
  return new Array<Dim>(rank).fill(null);
}

export function shapeText(shape: Shape): string {
  return shape === undefined ? '[...]' : `[${shape.map((dim) => dim ?? '?').join(', ')}]`;
}

/** Both must be the same size: the one that says more. Throws SHAPE_MISMATCH for two different numbers. */
export function sameDim(a: Dim, b: Dim, what: string): Dim {
  if (typeof a === 'number' && typeof b === 'number' && a !== b) {
    throw fail('SHAPE_MISMATCH', `${what}: ${a} against ${b}`);
  }
  return typeof a === 'number' ? a : typeof b === 'number' ? b : (a ?? b);
}

/** Both must be the same shape: the one that says more. Throws SHAPE_MISMATCH. */
export function sameShape(a: Shape, b: Shape, what: string): Shape {
  if (a === undefined || b === undefined) return a ?? b;
  if (a.length !== b.length) {
    throw fail('SHAPE_MISMATCH', `${what}: ${shapeText(a)} against ${shapeText(b)}`);
  }
  return a.map((dim, i) => sameDim(dim, b[i]!, what));
}

/** What holds of a value that has either shape: differing dimensions are unknown. */
export function eitherShape(a: Shape, b: Shape): Shape {
  if (a === undefined || b === undefined || a.length !== b.length) return undefined;
  return a.map((dim, i) => (dim === b[i] ? dim : null));
}

function broadcastDim(a: Dim, b: Dim): Dim {
  if (a === b) return a;
  if (a === 1) return b;
  if (b === 1) return a;
  if (typeof a === 'number' && typeof b === 'number') {
    throw fail('SHAPE_MISMATCH', `${a} and ${b} cannot be broadcast together`);
  }
  // An unknown size beside a number over 1 must be that number, or 1.
  return typeof a === 'number' ? a : typeof b === 'number' ? b : null;
}

/** Multidirectional broadcasting (docs/Broadcasting.md of ONNX). Throws SHAPE_MISMATCH. */
export function broadcastShapes(...shapes: readonly Shape[]): Shape {
  let result: Dim[] = [];
  for (const shape of shapes) {
    if (shape === undefined) return undefined;
    const rank = Math.max(result.length, shape.length);
    const wide: Dim[] = [];
    for (let i = 0; i < rank; i++) {
      wide.push(
        broadcastDim(
          result[i - rank + result.length] ?? gap(result, rank, i),
          shape[i - rank + shape.length] ?? gap(shape, rank, i),
        ),
      );
    }
    result = wide;
  }
  return result;
}

/** 1 in front of a shorter shape; null is a dimension of its own. */
function gap(shape: readonly Dim[], rank: number, i: number): Dim {
  return i < rank - shape.length ? 1 : null;
}

/** A non-negative axis below `rank`. Throws SHAPE_MISMATCH. */
export function axisIn(axis: number, rank: number): number {
  const positive = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || positive < 0 || positive >= rank) {
    throw fail('SHAPE_MISMATCH', `axis ${axis} of a tensor of rank ${rank}`);
  }
  return positive;
}

/** The shape with one dimension replaced. */
export function withDim(shape: readonly Dim[], axis: number, dim: Dim): Dim[] {
  return shape.map((old, i) => (i === axis ? dim : old));
}
