import { intsOf, type OpName, stringOf } from '../../graph/index.ts';
import type { Composer } from '../composer.ts';
import { weightGradient } from './conv-weights.ts';
import type { GradientRule, GradientSite } from './rule.ts';
import { channelSums, groupOf, padSpatial, reach, type Window, windowOf } from './window.ts';

/** Spatial sizes of a value [N, C, spatial...]. */
const spatialOf = (dims: readonly number[]) => dims.slice(2);

/** y [N, M, ...] = x [N, C, ...] * w [M, C/group, kernel...] + b [M]. */
const conv: GradientRule = (site) => {
  const { to, node } = site;
  const g = site.gradient()!;
  const [x, w] = [site.input(0), site.input(1)];
  const kernel = spatialOf(site.shape(1));
  const window = windowOf(node, kernel, spatialOf(site.shape(0)), spatialOf(to.shape(g)));
  const group = groupOf(node);
  return [
    site.wants(0) ? inputGradient(site, g, w, window, group) : undefined,
    site.wants(1) ? weightGradient(to, { big: x, small: g, group, window }) : undefined,
    site.wants(2) ? channelSums(to, g) : undefined,
  ];
};

/**
 * The gradient of a convolution's input is the transposed convolution of g. A stride of 1 makes that a Conv with the kernel
 * turned round, which ONNX Runtime does faster, the more so in its blocked layout (measured).
 */
function inputGradient(site: GradientSite, g: string, w: string, window: Window, group: number): string {
  const { to } = site;
  const [, m] = to.shape(g) as [number, number];
  const [, inner] = to.shape(w) as [number, number];
  const dense = window.strides.every((stride) => stride === 1);
  const begins = window.kernel.map((_, i) => reach(window, i) - 1 - window.begins[i]!);
  const ends = window.kernel.map((_, i) => reach(window, i) - 1 - window.ends[i]!);
  if (dense && [...begins, ...ends].every((pad) => pad >= 0)) {
    const turned = turnedRound(to, w, group, m / group, inner);
    return to.op('Conv', [g, turned], { group, dilations: window.dilations, pads: [...begins, ...ends] });
  }
  // What the windows left out at the end is output padding: zeros.
  return to.op('ConvTranspose', [g, w], {
    group,
    strides: window.strides,
    dilations: window.dilations,
    pads: [...window.begins, ...window.ends.map((pad) => Math.max(0, pad))],
    output_padding: window.ends.map((pad) => Math.max(0, -pad)),
  });
}

/** Weights [M, C/group, kernel...] for the way back: [C, M/group, kernel...], the kernel turned round. */
function turnedRound(to: Composer, w: string, group: number, outer: number, inner: number): string {
  const kernel = spatialOf(to.shape(w));
  const rest = kernel.map((_, i) => i + 3);
  const swapped = to.reshape(
    to.transpose(to.reshape(w, [group, outer, inner, ...kernel]), [0, 2, 1, ...rest]),
    [group * inner, outer, ...kernel],
  );
  const axes = kernel.flatMap((size, i) => (size > 1 ? [i + 2] : []));
  if (axes.length === 0) return swapped;
  const all = (value: number) => to.ints(axes.map(() => value));
  return to.op('Slice', [swapped, all(-1), all(-(2 ** 31)), to.ints(axes), all(-1)]);
}

/** y [N, M, ...] = the transposed convolution of x [N, C, ...] by w [C, M/group, kernel...], + b [M]. */
const convTranspose: GradientRule = (site) => {
  const { to, node } = site;
  const g = site.gradient()!;
  const [x, w] = [site.input(0), site.input(1)];
  const kernel = spatialOf(site.shape(1));
  const window = transposedWindow(site, kernel, spatialOf(to.shape(g)), spatialOf(site.shape(0)));
  const group = groupOf(node);
  const { begins, ends, strides, dilations } = window;
  return [
    site.wants(0)
      ? to.op('Conv', [padSpatial(to, g, begins, ends), w], { group, strides, dilations })
      : undefined,
    site.wants(1) ? weightGradient(to, { big: g, small: x, group, window }) : undefined,
    site.wants(2) ? channelSums(to, g) : undefined,
  ];
};

/**
 * The window of a transposed convolution: as `windowOf`, but pads that output_shape or auto_pad leave open follow ONNX's
 * formula for ConvTranspose: what is too much is cut off, half at each side; an odd one at the beginning, unless SAME_UPPER.
 */
function transposedWindow(
  { node }: GradientSite,
  kernel: readonly number[],
  big: readonly number[],
  small: readonly number[],
): Window {
  const window = windowOf(node, kernel, big, small);
  const auto = stringOf(node, 'auto_pad', 'NOTSET');
  if (intsOf(node, 'output_shape') === undefined && !auto.startsWith('SAME')) return window;
  const extra = intsOf(node, 'output_padding') ?? kernel.map(() => 0);
  const spans = kernel.map((_, i) => (small[i]! - 1) * window.strides[i]! + reach(window, i));
  const begins = kernel.map((_, i) => {
    const total = Math.max(0, spans[i]! + extra[i]! - big[i]!);
    return auto === 'SAME_UPPER' ? Math.floor(total / 2) : Math.ceil(total / 2);
  });
  return { ...window, begins, ends: spans.map((span, i) => span - big[i]! - begins[i]!) };
}

/** Convolutions of one, two or three spatial axes. */
export const CONV = { Conv: conv, ConvTranspose: convTranspose } as const satisfies Partial<
  Record<OpName, GradientRule>
>;
