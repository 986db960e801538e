import { floatOf, intOf, intsOf, type OpName, stringOf, Tensor } from '../../graph/index.ts';
import type { Composer } from '../composer.ts';
import type { GradientRule, GradientSite } from './rule.ts';
import { frontAxis, refuse } from './site.ts';

/*
 * Resize and Pad take every element of the answer from some of the input, axis by axis: a matrix for each axis. Their
 * gradients are the transposed matrices. Forms that are only blocks or borders have faster ways.
 */

/** For every position along an axis of the answer: which positions of the input it is made of, and the weights. */
type AxisMap = readonly (readonly (readonly [from: number, weight: number])[])[];

/** g with an axis of the answer's length brought back to `size`: sums by the transposed matrix of the map. */
function backAlong(to: Composer, g: string, axis: number, map: AxisMap, size: number): string {
  const dims = to.shape(g);
  const matrix = new Float32Array(size * map.length);
  for (const [i, taps] of map.entries())
    for (const [from, weight] of taps) matrix[from * map.length + i]! += weight;
  const before = dims.slice(0, axis).reduce((all, dim) => all * dim, 1);
  const after = dims.slice(axis + 1).reduce((all, dim) => all * dim, 1);
  const rows = to.constant(Tensor.float32([size, map.length], matrix));
  const sums = to.op('MatMul', [rows, to.reshape(g, [before, map.length, after])]);
  return to.reshape(sums, [...dims.slice(0, axis), size, ...dims.slice(axis + 1)]);
}

/** Where in the input the position `x` of the answer lies, by coordinate_transformation_mode (ONNX, Resize). */
const COORDINATES: Readonly<
  Record<string, (x: number, size: number, resized: number, scale: number) => number>
> = {
  half_pixel: (x, _size, _resized, scale) => (x + 0.5) / scale - 0.5,
  pytorch_half_pixel: (x, _size, resized, scale) => (resized > 1 ? (x + 0.5) / scale - 0.5 : 0),
  half_pixel_symmetric: (x, size, resized, scale) =>
    (size / 2) * (1 - resized / (scale * size)) + (x + 0.5) / scale - 0.5,
  asymmetric: (x, _size, _resized, scale) => x / scale,
  align_corners: (x, size, resized) => (resized === 1 ? 0 : (x * (size - 1)) / (resized - 1)),
};

const ROUNDINGS: Readonly<Record<string, (x: number) => number>> = {
  round_prefer_floor: (x) => Math.ceil(x - 0.5),
  round_prefer_ceil: (x) => Math.floor(x + 0.5),
  floor: Math.floor,
  ceil: Math.ceil,
};

/** Weight of a neighbour at a distance: linear, or the cubic of Keys (1981) with parameter `a`. */
function weightAt(distance: number, cubic: boolean, a: number): number {
  const d = Math.abs(distance);
  if (!cubic) return Math.max(0, 1 - d);
  if (d <= 1) return (a + 2) * d ** 3 - (a + 3) * d ** 2 + 1;
  return d < 2 ? a * (d ** 3 - 5 * d ** 2 + 8 * d - 4) : 0;
}

/** The map of one axis of a Resize. */
function resizeMap(site: GradientSite, size: number, resized: number, scale: number): AxisMap {
  const { node } = site;
  const mode = stringOf(node, 'mode', 'nearest');
  const named = stringOf(node, 'coordinate_transformation_mode', 'half_pixel');
  const coordinate = COORDINATES[named] ?? refuse(site, `with coordinate_transformation_mode ${named}`);
  const rounding = ROUNDINGS[stringOf(node, 'nearest_mode', 'round_prefer_floor')]!;
  const a = floatOf(node, 'cubic_coeff_a', -0.75);
  const excludes = intOf(node, 'exclude_outside', 0) !== 0;
  const inside = (at: number) => Math.min(Math.max(at, 0), size - 1);
  return Array.from({ length: resized }, (_, x) => {
    const at = coordinate(x, size, resized, scale);
    if (mode === 'nearest') return [[inside(rounding(at)), 1]];
    const cubic = mode === 'cubic';
    const first = Math.floor(at) - (cubic ? 1 : 0);
    const near = Array.from({ length: cubic ? 4 : 2 }, (_, i) => first + i);
    const kept = excludes ? near.filter((from) => from === inside(from)) : near;
    const weights = kept.map((from) => weightAt(at - from, cubic, a));
    const total = excludes ? weights.reduce((sum, weight) => sum + weight, 0) : 1;
    return kept.map((from, i): [number, number] => [inside(from), weights[i]! / total]);
  });
}

/** The scale of each axis, as ONNX computes coordinates with it: the given one, or the ratio of the sizes. */
function scalesOf(site: GradientSite): readonly number[] {
  const { to, node } = site;
  const dims = site.shape(0);
  const resized = to.shape(site.output());
  const axes = intsOf(node, 'axes')?.map((axis) => frontAxis(axis, dims.length)) ?? dims.map((_, i) => i);
  const scales = dims.map((size, axis) => resized[axis]! / size);
  const given = to.elements(site.input(2));
  if (given?.length) for (const [i, axis] of axes.entries()) scales[axis] = given[i]!;
  else if (stringOf(node, 'keep_aspect_ratio_policy', 'stretch') !== 'stretch') {
    const sizes = to.elements(site.input(3)) ?? refuse(site, 'whose sizes are computed');
    const ratios = axes.map((axis, i) => sizes[i]! / dims[axis]!);
    const larger = stringOf(node, 'keep_aspect_ratio_policy') === 'not_smaller';
    const common = larger ? Math.max(...ratios) : Math.min(...ratios);
    for (const axis of axes) scales[axis] = common;
  }
  return scales;
}

/** The whole number of copies that every element has along an axis, all in a row; undefined where it is not so. */
function copies(map: AxisMap, size: number): number | undefined {
  const times = map.length / size;
  const regular = map.every((taps, i) => taps.length === 1 && taps[0]![0] === Math.floor(i / times));
  return Number.isInteger(times) && regular ? times : undefined;
}

const resize: GradientRule = (site) => {
  const { to, node } = site;
  if (intOf(node, 'antialias', 0) !== 0) refuse(site, 'with antialias');
  const dims = site.shape(0);
  const resized = to.shape(site.output());
  const scales = scalesOf(site);
  const maps = dims.map((size, axis) =>
    size === resized[axis] && scales[axis] === 1
      ? undefined
      : resizeMap(site, size, resized[axis]!, scales[axis]!),
  );
  const times = maps.map((map, axis) => (map === undefined ? 1 : copies(map, dims[axis]!)));
  const spatial = times.slice(2);
  let g = site.gradient()!;
  if (
    times[0] === 1 &&
    times[1] === 1 &&
    [1, 2, 3].includes(spatial.length) &&
    !spatial.includes(undefined)
  ) {
    // Blocks of copies: their sum is a mean pool times its size, one pass over memory.
    const kernel = spatial as number[];
    const mean = to.op('AveragePool', [g], { kernel_shape: kernel, strides: kernel });
    return [to.op('Mul', [mean, to.float(kernel.reduce((all, size) => all * size, 1))])];
  }
  for (const [axis, map] of maps.entries()) {
    if (map !== undefined) g = backAlong(to, g, axis, map, dims[axis]!);
  }
  return [g];
};

/** Which element of the input stands at each position of a padded axis, by the mode. */
const BORDERS: Readonly<Record<string, (at: number, size: number) => number>> = {
  edge: (at, size) => Math.min(Math.max(at, 0), size - 1),
  reflect: (at, size) => {
    if (size === 1) return 0;
    const period = 2 * (size - 1);
    const folded = ((at % period) + period) % period;
    return folded < size ? folded : period - folded;
  },
  wrap: (at, size) => ((at % size) + size) % size,
};

const pad: GradientRule = (site) => {
  const { to, node } = site;
  const dims = site.shape(0);
  const given = to.elements(site.input(1)) ?? refuse(site, 'whose pads are computed');
  const listed = site.input(3) === '' ? undefined : to.elements(site.input(3));
  if (site.input(3) !== '' && listed === undefined) refuse(site, 'whose axes are computed');
  const axes = listed?.map((axis) => frontAxis(axis, dims.length)) ?? dims.map((_, i) => i);
  const mode = stringOf(node, 'mode', 'constant');
  let g = site.gradient()!;
  if (mode === 'constant') {
    const pads = new Array<number>(2 * dims.length).fill(0);
    for (const [i, axis] of axes.entries()) {
      pads[axis] = -given[i]!;
      pads[dims.length + axis] = -given[i + axes.length]!;
    }
    const inner = to.op('Pad', [g, to.ints(pads)]);
    const all = dims.map((_, i) => i);
    const border = () => to.op('Sub', [to.sum(g, all), to.sum(inner, all)]);
    return [inner, undefined, site.wants(2) ? to.reshape(border(), site.shape(2)) : undefined];
  }
  const border = BORDERS[mode] ?? refuse(site, `with mode ${mode}`);
  for (const [i, axis] of axes.entries()) {
    const [begin, end] = [given[i]!, given[i + axes.length]!];
    if (begin === 0 && end === 0) continue;
    const size = dims[axis]!;
    const map = Array.from({ length: begin + size + end }, (_, at): [number, number][] => [
      [border(at - begin, size), 1],
    ]);
    g = backAlong(to, g, axis, map, size);
  }
  return [g];
};

/** Sampling at other places, and borders. */
export const RESAMPLE = { Resize: resize, Pad: pad } as const satisfies Partial<Record<OpName, GradientRule>>;
