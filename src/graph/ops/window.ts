import { fail } from '../../base/index.ts';
import { intOf, intsOf, stringOf } from '../attributes.ts';
import type { Dim, Node, Shape } from '../model.ts';
import { mapDim } from './dims.ts';

/** Windows that slide over the spatial axes: convolutions and pools. */
export interface Window {
  readonly kernel: readonly Dim[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Begins, then ends. */
  readonly pads: readonly number[];
  readonly auto: string;
  readonly ceil: boolean;
}

export function windowOf(node: Node, kernel: readonly Dim[]): Window {
  const rank = kernel.length;
  const list = (name: string, length: number, absent: number): number[] => {
    const given = intsOf(node, name) ?? new Array<number>(length).fill(absent);
    if (given.length !== length) throw fail('SHAPE_MISMATCH', `${name} [${given}] for ${rank} spatial axes`);
    return given;
  };
  return {
    kernel,
    strides: list('strides', rank, 1),
    dilations: list('dilations', rank, 1),
    pads: list('pads', 2 * rank, 0),
    auto: stringOf(node, 'auto_pad', 'NOTSET'),
    ceil: intOf(node, 'ceil_mode', 0) !== 0,
  };
}

/** The spatial sizes after the window has slid over `spatial`. */
export function slid(spatial: readonly Dim[], window: Window): Dim[] {
  if (spatial.length !== window.kernel.length) {
    throw fail('SHAPE_MISMATCH', `a window of ${window.kernel.length} axes over ${spatial.length}`);
  }
  return spatial.map((dim, i) => slidOne(dim, window, i));
}

function slidOne(dim: Dim, window: Window, i: number): Dim {
  const stride = window.strides[i]!;
  if (stride < 1) throw fail('SHAPE_MISMATCH', `a stride of ${stride}`);
  if (window.auto.startsWith('SAME')) {
    return stride === 1 ? dim : mapDim(dim, (size) => Math.ceil(size / stride));
  }
  const kernel = window.kernel[i]!;
  if (typeof kernel !== 'number') return null;
  const reach = (kernel - 1) * window.dilations[i]! + 1;
  const [begin, end] =
    window.auto === 'VALID' ? [0, 0] : [window.pads[i]!, window.pads[i + window.kernel.length]!];
  if (typeof dim !== 'number') return stride === 1 && reach - 1 === begin + end ? dim : null;
  const free = dim + begin + end - reach;
  if (free < 0)
    throw fail('SHAPE_MISMATCH', `a window of ${reach} over ${dim} with pads ${begin} and ${end}`);
  if (!window.ceil) return Math.floor(free / stride) + 1;
  const count = Math.ceil(free / stride) + 1;
  // Since opset 22 a window that would start in the end padding is left out; runtimes have always done so.
  return (count - 1) * stride >= dim + begin ? count - 1 : count;
}

/** Kernel sizes: the attribute, or else the spatial axes of the weights. */
export function kernelOf(node: Node, weights: Shape): readonly Dim[] | undefined {
  return intsOf(node, 'kernel_shape') ?? weights?.slice(2);
}
