import { intOf, intsOf, type Node, stringOf } from '../../src/graph/index.ts';

/** A window that slides over the spatial axes: of a convolution or a pool. All lists have one entry an axis. */
export interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Elements added before and after. */
  readonly begins: readonly number[];
  readonly ends: readonly number[];
  /** How often it fits. */
  readonly counts: readonly number[];
}

/** How far a kernel reaches with dilation. */
export const reachOf = (kernel: number, dilation: number): number => (kernel - 1) * dilation + 1;

/** The strides and dilations of a node, and its pads where they are given as numbers. */
export function stepsOf(node: Node, rank: number) {
  const list = (name: string, length: number, absent: number) =>
    intsOf(node, name) ?? Array.from({ length }, () => absent);
  const pads = list('pads', 2 * rank, 0);
  return {
    strides: list('strides', rank, 1),
    dilations: list('dilations', rank, 1),
    begins: pads.slice(0, rank),
    ends: pads.slice(rank),
    auto: stringOf(node, 'auto_pad', 'NOTSET'),
  };
}

/** The window of a Conv or a pool over `spatial` sizes. */
export function windowOf(node: Node, spatial: readonly number[], kernel: readonly number[]): Window {
  const { strides, dilations, begins, ends, auto } = stepsOf(node, kernel.length);
  const counts: number[] = [];
  for (const [i, size] of spatial.entries()) {
    const reach = reachOf(kernel[i]!, dilations[i]!);
    if (auto === 'VALID') begins[i] = ends[i] = 0;
    if (auto.startsWith('SAME')) {
      counts[i] = Math.ceil(size / strides[i]!);
      const total = Math.max(0, (counts[i]! - 1) * strides[i]! + reach - size);
      begins[i] = auto === 'SAME_UPPER' ? Math.floor(total / 2) : Math.ceil(total / 2);
      ends[i] = total - begins[i]!;
      continue;
    }
    const steps = (size + begins[i]! + ends[i]! - reach) / strides[i]!;
    if (intOf(node, 'ceil_mode', 0) === 0) {
      counts[i] = Math.floor(steps) + 1;
      continue;
    }
    counts[i] = Math.ceil(steps) + 1;
    // A window that would start in the end padding is left out.
    if ((counts[i]! - 1) * strides[i]! >= size + begins[i]!) counts[i]! -= 1;
  }
  return { kernel, strides, dilations, begins, ends, counts };
}

/** Where a tap of the window lies at one of its places; outside of the input where that is in the padding. */
export function tapOf(window: Window, place: readonly number[], tap: readonly number[]): number[] {
  return place.map((at, i) => at * window.strides[i]! - window.begins[i]! + tap[i]! * window.dilations[i]!);
}
