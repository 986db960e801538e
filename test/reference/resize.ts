import { floatOf, intOf, intsOf, type Node, sizeOf, stringOf } from '../../src/graph/index.ts';
import { axisIn, eachIndex, offsetOf } from './indices.ts';
import { type Call, input, type Kernel, type Kernels, listOf, single } from './kernel.ts';
import { roundEven } from './unary.ts';
import { like } from './value.ts';

/** How one axis changes. */
interface Axis {
  readonly size: number;
  readonly resized: number;
  readonly scale: number;
  /** Region of interest, as shares of the axis (tf_crop_and_resize). */
  readonly roi: readonly [start: number, end: number];
}

/** An element that is read, and how much it counts. */
type Tap = readonly [at: number, weight: number];

/** Where in the input the element `x` of the answer lies, by coordinate_transformation_mode. */
const COORDINATES: Readonly<Record<string, (x: number, axis: Axis) => number>> = {
  half_pixel: (x, { scale }) => (x + 0.5) / scale - 0.5,
  half_pixel_symmetric: (x, { size, resized, scale }) => {
    const offset = (size / 2) * (1 - resized / (scale * size));
    return offset + (x + 0.5) / scale - 0.5;
  },
  pytorch_half_pixel: (x, { resized, scale }) => (resized > 1 ? (x + 0.5) / scale - 0.5 : 0),
  align_corners: (x, { size, resized }) => (resized === 1 ? 0 : (x * (size - 1)) / (resized - 1)),
  asymmetric: (x, { scale }) => x / scale,
  tf_crop_and_resize: (x, { size, resized, roi: [start, end] }) =>
    resized > 1
      ? start * (size - 1) + (x * (end - start) * (size - 1)) / (resized - 1)
      : 0.5 * (start + end) * (size - 1),
};

const NEAREST: Readonly<Record<string, (x: number) => number>> = {
  round_prefer_floor: (x) => Math.ceil(x - 0.5),
  round_prefer_ceil: (x) => Math.floor(x + 0.5),
  floor: Math.floor,
  ceil: Math.ceil,
};

/** Keys (1981), with a the slope at distance 1. */
function cubicWeight(distance: number, a: number): number {
  const d = Math.abs(distance);
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

/** The elements around a coordinate; those beyond the ends are the ends, or left out with exclude_outside. */
function tapsAt(at: number, size: number, node: Node): Tap[] {
  const mode = stringOf(node, 'mode', 'nearest');
  const clamped = (i: number) => Math.min(Math.max(i, 0), size - 1);
  if (mode === 'nearest') {
    // Opset 10 knew no nearest_mode and took the floor.
    const round = NEAREST[stringOf(node, 'nearest_mode', 'round_prefer_floor')]!;
    return [[clamped(round(at)), 1]];
  }
  const floor = Math.floor(at);
  const a = single(node, 'cubic_coeff_a', -0.75);
  const [first, last] = mode === 'cubic' ? [-1, 2] : [0, 1];
  let taps: Tap[] = [];
  for (let i = floor + first; i <= floor + last; i++)
    taps.push([i, mode === 'cubic' ? cubicWeight(at - i, a) : 1 - Math.abs(at - i)]);
  if (intOf(node, 'exclude_outside', 0) !== 0) {
    taps = taps.filter(([i]) => i === clamped(i));
    const total = taps.reduce((sum, [, weight]) => sum + weight, 0);
    taps = taps.map(([i, weight]) => [i, weight / total]);
  }
  return taps.map(([i, weight]) => [clamped(i), weight]);
}

/** A list that an exporter left empty is as good as none. */
const filled = (list: number[] | undefined) => (list?.length ? list : undefined);

function axesOf(call: Call, dims: readonly number[]): Axis[] {
  const { node, opset } = call;
  const axes = intsOf(node, 'axes')?.map((axis) => axisIn(axis, dims.length)) ?? dims.map((_, i) => i);
  const roi = opset < 11 ? undefined : filled(listOf(call, 1));
  const scales = filled(listOf(call, opset < 11 ? 1 : 2));
  const sizes = opset < 11 ? undefined : filled(listOf(call, 3));
  const policy = stringOf(node, 'keep_aspect_ratio_policy', 'stretch');
  const ratios = sizes?.map((size, i) => size / dims[axes[i]!]!);
  const common = policy === 'not_larger' ? Math.min(...(ratios ?? [])) : Math.max(...(ratios ?? []));
  return dims.map((size, d) => {
    const i = axes.indexOf(d);
    if (i < 0) return { size, resized: size, scale: 1, roi: [0, 1] };
    const region = [roi?.[i] ?? 0, roi?.[i + axes.length] ?? 1] as const;
    if (scales !== undefined) {
      const scale = scales[i]!;
      // Scales are float32: 0.1 x 10 must be 1, not 0.999.
      return { size, resized: Math.floor(Math.fround(size * scale)), scale, roi: region };
    }
    if (policy === 'stretch') return { size, resized: sizes![i]!, scale: ratios![i]!, roi: region };
    return { size, resized: Math.floor(common * size + 0.5), scale: common, roi: region };
  });
}

const resize: Kernel = (call) => {
  const x = input(call, 0);
  const { node, opset } = call;
  if (intOf(node, 'antialias', 0) !== 0) throw new Error('Resize with antialias');
  const mode = stringOf(node, 'coordinate_transformation_mode', opset < 11 ? 'asymmetric' : 'half_pixel');
  const axes = axesOf(call, x.dims);
  const extrapolation = floatOf(node, 'extrapolation_value', 0);
  // For every axis and every position along the answer: what is read, or undefined outside of a cropped input.
  const taps = axes.map((axis) =>
    Array.from({ length: axis.resized }, (_, i): Tap[] | undefined => {
      if (axis.resized === axis.size && axis.scale === 1 && mode !== 'tf_crop_and_resize') return [[i, 1]];
      const at = COORDINATES[mode]!(i, axis);
      if (mode === 'tf_crop_and_resize' && (at < 0 || at > axis.size - 1)) return undefined;
      return tapsAt(at, axis.size, node);
    }),
  );
  const dims = axes.map((axis) => axis.resized);
  const data = new Float64Array(sizeOf(dims));
  eachIndex(dims, (index, flat) => {
    const lists = index.map((i, axis) => taps[axis]![i]);
    if (lists.includes(undefined)) {
      data[flat] = extrapolation;
      return;
    }
    eachIndex(
      lists.map((list) => list!.length),
      (chosen) => {
        const picks = chosen.map((c, axis) => lists[axis]![c]!);
        const weight = picks.reduce((product, [, w]) => product * w, 1);
        data[flat]! +=
          weight *
          x.data[
            offsetOf(
              x.dims,
              picks.map(([at]) => at),
            )
          ]!;
      },
    );
  });
  return [like(x, dims, x.kind === 'int' ? data.map(roundEven) : data)];
};

/** Sampling of arrays at other places. */
export const RESIZE: Kernels = { Resize: resize };
