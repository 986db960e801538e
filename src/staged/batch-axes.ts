import { fail } from '../base/index.ts';
import type { Port } from '../run/index.ts';

/** Where the samples lie. */
export interface BatchAxes {
  /** The axis of the samples of each input; an input that is absent here belongs to the whole call. */
  readonly axes: Readonly<Record<string, number>>;
  /** Samples of a call where the model fixes them. */
  readonly fixed?: number;
}

/**
 * Finds the samples in the inputs. Where some first axis is open, the samples are the open first axes, and any axis that bears
 * the name of one (a recurrent state is [layers, batch, features]). Where all are fixed, the samples are the first axes if these
 * agree; else one call is one sample and nothing is ever divided. `given` says it for single inputs, null: the whole call's.
 * Throws USAGE_BAD_OPTION where `given` names no axis.
 */
export function batchAxes(
  inputs: readonly Port[],
  given: Readonly<Record<string, number | null>> = {},
): BatchAxes {
  const axes: Record<string, number> = {};
  const open = inputs.some(({ shape }) => shape === undefined || isOpen(shape[0]));
  const symbols = new Set(inputs.flatMap(({ shape }) => (typeof shape?.[0] === 'string' ? [shape[0]] : [])));
  for (const { name, shape } of inputs) {
    const told = given[name];
    if (told === null) continue;
    if (told !== undefined) {
      if (!Number.isInteger(told) || told < 0 || (shape !== undefined && told >= shape.length)) {
        throw fail('USAGE_BAD_OPTION', `input ${name} has no axis ${told} for the samples`);
      }
      axes[name] = told;
    } else if (shape === undefined || isOpen(shape[0])) axes[name] = 0;
    else if (open) {
      const axis = shape.findIndex((dim) => typeof dim === 'string' && symbols.has(dim));
      if (axis >= 0) axes[name] = axis;
    } else if (shape.length > 0) axes[name] = 0;
  }
  const sizes = inputs.flatMap(({ name, shape }) => {
    const axis = axes[name];
    const dim = axis === undefined ? undefined : shape?.[axis];
    return typeof dim === 'number' ? [dim] : [];
  });
  if (sizes.length === 0) return Object.keys(axes).length === 0 ? { axes, fixed: 1 } : { axes };
  const agree = sizes.length === Object.keys(axes).length && sizes.every((size) => size === sizes[0]);
  return agree ? { axes, fixed: sizes[0] } : { axes: {}, fixed: 1 };
}

const isOpen = (dim: number | string | null | undefined): boolean => dim === null || typeof dim === 'string';
