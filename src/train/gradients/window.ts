import { intOf, intsOf, type Node, stringOf } from '../../graph/index.ts';
import type { Composer } from '../composer.ts';

/** A window that slides over the spatial axes, with everything settled. All lists have one number per spatial axis. */
export interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Padding before and after each axis; `ends` reaches exactly as far as the last window (it may be negative). */
  readonly begins: readonly number[];
  readonly ends: readonly number[];
}

/** How far a kernel reaches along an axis. */
export function reach(window: Window, axis: number): number {
  return (window.kernel[axis]! - 1) * window.dilations[axis]! + 1;
}

/**
 * The window of a convolution or pool from `big` to `small` spatial sizes (a transposed convolution goes the other way).
 * auto_pad as ONNX says: SAME_UPPER puts an odd pad at the end, SAME_LOWER at the beginning.
 */
export function windowOf(
  node: Node,
  kernel: readonly number[],
  big: readonly number[],
  small: readonly number[],
): Window {
  const ones = kernel.map(() => 1);
  const strides = intsOf(node, 'strides') ?? ones;
  const dilations = intsOf(node, 'dilations') ?? ones;
  const auto = stringOf(node, 'auto_pad', 'NOTSET');
  const given = intsOf(node, 'pads') ?? kernel.map(() => 0);
  const spans = kernel.map((size, i) => (small[i]! - 1) * strides[i]! + (size - 1) * dilations[i]! + 1);
  const begins = kernel.map((_, i) => {
    if (auto === 'VALID') return 0;
    if (!auto.startsWith('SAME')) return given[i]!;
    const total = Math.max(0, spans[i]! - big[i]!);
    return auto === 'SAME_UPPER' ? Math.floor(total / 2) : Math.ceil(total / 2);
  });
  const ends = kernel.map((_, i) => spans[i]! - big[i]! - begins[i]!);
  return { kernel, strides, dilations, begins, ends };
}

/** Pads the spatial axes (2 and after) with zeros or `fill`; negative numbers crop. */
export function padSpatial(
  to: Composer,
  value: string,
  begins: readonly number[],
  ends: readonly number[],
  fill?: number,
): string {
  if ([...begins, ...ends].every((pad) => pad === 0)) return value;
  const pads = to.ints([0, 0, ...begins, 0, 0, ...ends]);
  return to.op('Pad', fill === undefined ? [value, pads] : [value, pads, to.float(fill)]);
}

/** Puts `strides - 1` zeros between neighbours along the spatial axes: size n becomes (n - 1) * stride + 1. */
export function spreadSpatial(to: Composer, value: string, strides: readonly number[]): string {
  let spread = value;
  for (const [i, stride] of strides.entries()) {
    if (stride === 1) continue;
    const dims = to.shape(spread);
    const axis = i + 2;
    const single = to.reshape(spread, [...dims.slice(0, axis + 1), 1, ...dims.slice(axis + 1)]);
    const pads = new Array<number>(2 * dims.length + 2).fill(0);
    pads[dims.length + 1 + axis + 1] = stride - 1;
    const wide = to.op('Pad', [single, to.ints(pads)]);
    const merged = to.reshape(
      wide,
      dims.map((size, d) => (d === axis ? size * stride : size)),
    );
    const crop = new Array<number>(2 * dims.length).fill(0);
    crop[dims.length + axis] = 1 - stride;
    spread = to.op('Pad', [merged, to.ints(crop)]);
  }
  return spread;
}

/** The window at one place of the kernel: elements at `offset`, `offset + stride`, ...; `count` of them per axis. */
export function tap(
  to: Composer,
  padded: string,
  offset: readonly number[],
  strides: readonly number[],
  count: readonly number[],
  first = 2,
): string {
  const dims = to.shape(padded);
  const whole = offset.every((at, i) => at === 0 && strides[i] === 1 && dims[first + i] === count[i]);
  if (whole) return padded;
  return to.op('Slice', [
    padded,
    to.ints(offset),
    to.ints(offset.map((at, i) => at + (count[i]! - 1) * strides[i]! + 1)),
    to.ints(offset.map((_, i) => first + i)),
    to.ints(strides),
  ]);
}

/** Every place of a kernel, the last axis fastest. */
export function places(kernel: readonly number[]): number[][] {
  return kernel.reduce<number[][]>(
    (found, size) => found.flatMap((place) => Array.from({ length: size }, (_, i) => [...place, i])),
    [[]],
  );
}

/** Sum over batch and space: [N, C, spatial...] to [C]. Space first: two sums along memory beat one over both. */
export function channelSums(to: Composer, value: string): string {
  const [n, c, ...spatial] = to.shape(value) as [number, number, ...number[]];
  const size = spatial.reduce((product, dim) => product * dim, 1);
  if (size === 1) return to.sum(to.reshape(value, [n, c]), [0]);
  return to.sum(to.sum(to.reshape(value, [n, c, size]), [2]), [0]);
}

/** The group attribute. */
export function groupOf(node: Node): number {
  return intOf(node, 'group', 1);
}
