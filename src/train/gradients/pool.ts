import { intOf, intsOf, type OpName, stringOf, Tensor } from '../../graph/index.ts';
import type { Composer } from '../composer.ts';
import type { GradientRule, GradientSite } from './rule.ts';
import { refuse } from './site.ts';
import { padSpatial, spreadSpatial, type Window, windowOf } from './window.ts';

const product = (sizes: readonly number[]) => sizes.reduce((all, size) => all * size, 1);

function poolWindow(site: GradientSite): Window {
  const { to, node } = site;
  const kernel = intsOf(node, 'kernel_shape')!;
  return windowOf(node, kernel, site.shape(0).slice(2), to.shape(site.output()).slice(2));
}

/** Windows that stand side by side, from the first element on, none of them in the padding. */
function sideBySide({ kernel, strides, dilations, begins, ends }: Window): boolean {
  return kernel.every(
    (size, i) =>
      strides[i] === size && (size === 1 || dilations[i] === 1) && begins[i] === 0 && ends[i]! <= 0,
  );
}

/** Every element repeated `times` along each spatial axis. */
function repeated(to: Composer, value: string, times: readonly number[]): string {
  if (times.every((time) => time === 1)) return value;
  const scales = to.constant(Tensor.float32([times.length + 2], [1, 1, ...times]));
  return to.op('Resize', [value, '', scales], {
    mode: 'nearest',
    coordinate_transformation_mode: 'asymmetric',
    nearest_mode: 'floor',
  });
}

/** Zeros at the end of the spatial axes, for what no window covers. */
function grown(to: Composer, value: string, { ends }: Window): string {
  return padSpatial(
    to,
    value,
    ends.map(() => 0),
    ends.map((pad) => -pad),
  );
}

/**
 * Largest of each window. Where windows stand side by side, elements that are equal and largest share the gradient equally:
 * a comparison with the repeated output is several times faster than the runtime's Indices. Elsewhere the first of them
 * takes all, as the runtime's Indices have it, and windows that overlap add up.
 */
const maxPool: GradientRule = (site) => {
  const { to } = site;
  const window = poolWindow(site);
  if (to.has(site.output(1)) && site.gradient() === undefined) return [];
  return [sideBySide(window) ? sharedMaxima(site, window) : firstMaxima(site)];
};

function sharedMaxima(site: GradientSite, window: Window): string {
  const { to } = site;
  const { kernel, ends } = window;
  const covered = padSpatial(
    to,
    site.input(0),
    ends.map(() => 0),
    ends,
  );
  const largest = to.op('Equal', [covered, repeated(to, site.output(), kernel)]);
  const mask = to.op('Cast', [largest], { to: FLOAT });
  const share = to.op('AveragePool', [mask], { kernel_shape: kernel, strides: kernel });
  const count = to.op('Mul', [share, to.float(product(kernel))]);
  const each = to.op('Div', [site.gradient()!, count]);
  return grown(to, to.op('Mul', [mask, repeated(to, each, kernel)]), window);
}

/** TensorProto.FLOAT. */
const FLOAT = 1;

function firstMaxima(site: GradientSite): string {
  const { to, node } = site;
  if (intOf(node, 'storage_order', 0) !== 0) refuse(site, 'with column-major indices');
  if (site.output(1) === '') {
    node.outputs[1] = to.fresh(`${site.output()}:indices`);
    to.learn(node.outputs[1], { dtype: 'int64', shape: to.shape(site.output()) });
  }
  const dims = site.shape(0);
  const flat = (value: string) => to.reshape(value, [product(to.shape(value))]);
  const zeros = to.expand(to.float(0), [product(dims)]);
  const sum = to.op('ScatterElements', [zeros, flat(site.output(1)), flat(site.gradient()!)], {
    axis: 0,
    reduction: 'add',
  });
  return to.reshape(sum, dims);
}

/** `factor` over the number of elements that each mean is over: [1, 1, spatial...]; padding as ONNX counts it. */
function overCounts(site: GradientSite, window: Window, factor: number): Tensor {
  const { to, node } = site;
  const big = site.shape(0).slice(2);
  const small = to.shape(site.output()).slice(2);
  const included = intOf(node, 'count_include_pad', 0) !== 0;
  const auto = stringOf(node, 'auto_pad', 'NOTSET');
  const given = auto === 'NOTSET' ? intsOf(node, 'pads')?.slice(big.length) : undefined;
  // With ceil_mode windows may reach beyond the padding; what is there never counts.
  const last = big.map((size, i) => size + (included ? Math.max(0, given?.[i] ?? window.ends[i]!) : 0));
  const perAxis = small.map((length, axis) =>
    Array.from({ length }, (_, at) => {
      const start = at * window.strides[axis]! - window.begins[axis]!;
      let count = 0;
      for (let k = 0; k < window.kernel[axis]!; k++) {
        const place = start + k * window.dilations[axis]!;
        if ((included || place >= 0) && place < last[axis]!) count++;
      }
      return count;
    }),
  );
  const all = perAxis.reduce<number[]>(
    (found, axis) => found.flatMap((count) => axis.map((more) => count * more)),
    [1],
  );
  return Tensor.float32(
    [1, 1, ...small],
    all.map((count) => factor / count),
  );
}

/**
 * Mean of each window: the gradient over the count goes to every element of the window. Windows side by side: repeated.
 * Others: spread by the strides, then summed by windows turned round, which is a mean pool times its size.
 */
const averagePool: GradientRule = (site) => {
  const { to } = site;
  const window = poolWindow(site);
  const { kernel, strides, dilations, begins, ends } = window;
  const g = site.gradient()!;
  if (sideBySide(window)) {
    const each = to.op('Mul', [g, to.constant(overCounts(site, window, 1))]);
    return [grown(to, repeated(to, each, kernel), window)];
  }
  if (dilations.some((dilation) => dilation > 1)) return [dilatedSums(site, window)];
  const size = product(kernel);
  const spread = spreadSpatial(to, to.op('Mul', [g, to.constant(overCounts(site, window, size))]), strides);
  // Where windows left some of the input out, an end pad may reach the kernel's size; the runtime refuses that.
  const after = kernel.map((length, i) => length - 1 - ends[i]!);
  const beyond = after.map((pad, i) => Math.max(0, pad - (kernel[i]! - 1)));
  const pooled = to.op('AveragePool', [spread], {
    kernel_shape: kernel,
    pads: [...kernel.map((length, i) => length - 1 - begins[i]!), ...after.map((pad, i) => pad - beyond[i]!)],
    count_include_pad: 1,
  });
  return [
    padSpatial(
      to,
      pooled,
      kernel.map(() => 0),
      beyond,
    ),
  ];
};

/** Means of windows with holes: the transposed convolution of each map with ones. */
function dilatedSums(site: GradientSite, window: Window): string {
  const { to } = site;
  const channels = site.shape(0)[1]!;
  const each = to.op('Mul', [site.gradient()!, to.constant(overCounts(site, window, 1))]);
  const ones = new Array<number>(channels * product(window.kernel)).fill(1);
  return to.op('ConvTranspose', [each, to.constant(Tensor.float32([channels, 1, ...window.kernel], ones))], {
    group: channels,
    strides: window.strides,
    dilations: window.dilations,
    pads: [...window.begins, ...window.ends.map((pad) => Math.max(0, pad))],
    output_padding: window.ends.map((pad) => Math.max(0, -pad)),
  });
}

/** A product with a constant map, broadcast: half the time of a repetition by Expand (measured). */
const globalAverage: GradientRule = (site) => {
  const { to } = site;
  const spatial = site.shape(0).slice(2);
  const size = product(spatial);
  const share = to.constant(Tensor.float32([1, 1, ...spatial], new Array<number>(size).fill(1 / size)));
  return [to.op('Mul', [site.gradient()!, share])];
};

/** Elements that are equal and largest share the gradient equally. */
const globalMax: GradientRule = (site) => {
  const { to } = site;
  const axes = site.shape(0).flatMap((_, i) => (i < 2 ? [] : [i]));
  const mask = to.op('Cast', [to.op('Equal', [site.input(0), site.output()])], { to: FLOAT });
  const each = to.op('Div', [site.gradient()!, to.sum(mask, axes, true)]);
  return [to.op('Mul', [mask, each])];
};

/** Windows and whole maps reduced to one number. */
export const POOL = {
  MaxPool: maxPool,
  AveragePool: averagePool,
  GlobalAveragePool: globalAverage,
  GlobalMaxPool: globalMax,
} as const satisfies Partial<Record<OpName, GradientRule>>;
