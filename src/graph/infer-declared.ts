import { fail } from '../base/index.ts';
import type { Dim, Shape, ValueInfo } from './model.ts';
import { declaredOf } from './ops/declared.ts';
import { shapeText } from './ops/dims.ts';
import type { Known } from './ops/op.ts';

/** What symbols of the declared inputs stand for, once shapes are given. */
export interface Symbols {
  readonly bound: ReadonlyMap<string, number | null>;
  /** A given shape contradicts a declared one: declared shapes of inner values hold no longer. */
  readonly stale: boolean;
}

/** Matches given shapes with declared ones. A symbol with two sizes stands for nothing. */
export function bindSymbols(inputs: readonly ValueInfo[], given: readonly Known[]): Symbols {
  const bound = new Map<string, number | null>();
  let stale = false;
  for (const [i, { name, type }] of inputs.entries()) {
    const declared = declaredOf(type).shape;
    const shape = given[i]?.shape;
    if (declared === undefined || shape === undefined) continue;
    if (declared.length !== shape.length) {
      throw fail('SHAPE_MISMATCH', `input "${name}" is ${shapeText(declared)}, not ${shapeText(shape)}`);
    }
    for (const [axis, dim] of declared.entries()) {
      const size = shape[axis];
      if (typeof size !== 'number') continue;
      if (typeof dim === 'number' && dim !== size) stale = true;
      if (typeof dim === 'string') bound.set(dim, bound.has(dim) && bound.get(dim) !== size ? null : size);
    }
  }
  return { bound, stale };
}

/** What the rule found, filled up by what the file declares. Throws SHAPE_MISMATCH where both cannot hold. */
export function mergeDeclared(found: Known, declared: Known, symbols: Symbols): Known {
  if (found.element !== undefined || declared.element !== undefined) {
    return found.element === undefined && found.dtype === undefined ? declared : found;
  }
  if (found.dtype !== undefined && declared.dtype !== undefined && found.dtype !== declared.dtype) {
    throw fail('SHAPE_MISMATCH', `is ${found.dtype} by its rule and ${declared.dtype} by the file`);
  }
  const dtype = found.dtype ?? declared.dtype;
  if (symbols.stale || declared.shape === undefined) return { ...found, dtype };
  const said = declared.shape.map((dim) =>
    typeof dim === 'string' ? (symbols.bound.get(dim) ?? symbolLeft(dim, symbols)) : dim,
  );
  return { ...found, dtype, shape: mergeShapes(found.shape, said) };
}

function symbolLeft(dim: string, symbols: Symbols): Dim {
  return symbols.bound.has(dim) ? null : dim;
}

function mergeShapes(found: Shape, said: readonly Dim[]): Shape {
  if (found === undefined) return said;
  const fits =
    found.length === said.length &&
    found.every((dim, i) => typeof dim !== 'number' || typeof said[i] !== 'number' || dim === said[i]);
  if (!fits)
    throw fail('SHAPE_MISMATCH', `is ${shapeText(found)} by its rule and ${shapeText(said)} by the file`);
  return found.map((dim, i) =>
    typeof dim === 'number' ? dim : typeof said[i] === 'number' ? said[i]! : (dim ?? said[i]!),
  );
}
