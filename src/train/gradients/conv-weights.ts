import type { Composer } from '../composer.ts';
import { padSpatial, places, tap, type Window } from './window.ts';

/** A convolution as its weight gradient sees it: `big` [N, C, spatial...] slides under `small` [N, M, spatial...]. */
export interface Correlation {
  readonly big: string;
  readonly small: string;
  readonly group: number;
  readonly window: Window;
}

type Form = (to: Composer, at: Correlation, sizes: Sizes) => string;

interface Sizes {
  readonly n: number;
  /** Channels of one group of `big` and of `small`. */
  readonly inner: number;
  readonly outer: number;
  /** Spatial sizes of `small`, and their product. */
  readonly spatial: readonly number[];
  readonly area: number;
  readonly taps: number;
}

/** Channels that lie side by side in the widest blocked layout of ONNX Runtime. */
const WIDEST_BLOCK = 16;

const product = (sizes: readonly number[]) => sizes.reduce((all, size) => all * size, 1);

/**
 * The gradient of convolution weights [M, C/group, kernel...]: for every place of the kernel, what the window sees there
 * times the gradient of the output, summed over batch and space.
 */
export function weightGradient(to: Composer, at: Correlation): string {
  const [n, c] = to.shape(at.big) as [number, number];
  const [, m, ...spatial] = to.shape(at.small) as [number, number, ...number[]];
  const { group } = at;
  const sizes: Sizes = {
    n,
    inner: c / group,
    outer: m / group,
    spatial,
    area: product(spatial),
    taps: product(at.window.kernel),
  };
  const all = chooses(sizes, group)(to, at, sizes);
  return to.reshape(all, [m, c / group, ...at.window.kernel]);
}

/**
 * Which form is fastest in ONNX Runtime on a CPU (measured for 3x3 kernels, batch 16 to 64): a Conv over transposed
 * operands took 1.2 to 2.5 times as long as any of these.
 */
function chooses({ n, inner, outer, spatial, area, taps }: Sizes, group: number): Form {
  // Each output channel sees one input channel: products of whole maps, no matrix to speak of.
  if (inner === 1 && group > 1) {
    if (outer > 1) return depthwise;
    if (spatial.length === 2 && group % WIDEST_BLOCK === 0 && n > 1) return depthwiseConv;
    return spatial.at(-1)! < 12 ? depthwiseLast : depthwise;
  }
  // More weights than a sample has numbers: one product over all samples, none for each to be summed.
  if (group === 1 && inner * outer > area * (inner + outer)) return perTapLast;
  // One place: a product of matrices, nothing to slice.
  if (taps === 1) return perTap;
  // So few channels that nine products of thin matrices cost more than one of a wide one.
  if (inner <= 4) return columns;
  // Small maps of many channels: with channels last the slices are long runs of memory, and nothing is summed afterwards.
  if (group === 1 && inner >= 8 && spatial.at(-1)! <= 20) return perTapLast;
  return perTap;
}

/** What the window sees at each place of the kernel: [N, C, spatial of small] each; `first` is the first spatial axis. */
function taps(to: Composer, padded: string, { window }: Correlation, { spatial }: Sizes, first = 2) {
  return places(window.kernel).map((place) => {
    const offset = place.map((index, i) => index * window.dilations[i]!);
    return tap(to, padded, offset, window.strides, spatial, first);
  });
}

/** [taps, outer * inner of all groups], one row per tap, as [all, taps]. */
function stacked(to: Composer, rows: readonly string[], all: number): string {
  if (rows.length === 1) return rows[0]!;
  const flat = rows.map((row) => to.reshape(row, [1, all]));
  return to.transpose(to.op('Concat', flat, { axis: 0 }), [1, 0]);
}

/** A batch of products (outer x area) (area x inner) for each place, summed over the batch. */
const perTap: Form = (to, at, sizes) => {
  const { n, inner, outer, area } = sizes;
  const { group, window } = at;
  const small = to.reshape(at.small, [n, group, outer, area]);
  const padded = padSpatial(to, at.big, window.begins, window.ends);
  const rows = taps(to, padded, at, sizes).map((seen) => {
    const columnsOf = to.reshape(seen, [n, group, inner, area]);
    return to.sum(to.op('FusedMatMul', [small, columnsOf], { transB: 1 }, 'com.microsoft'), [0]);
  });
  return stacked(to, rows, group * outer * inner);
};

/** All places as rows of one matrix: (outer x area) (area x taps * inner), summed over the batch. */
const columns: Form = (to, at, sizes) => {
  const { n, inner, outer, area, taps: count } = sizes;
  const { group, window } = at;
  const padded = padSpatial(to, at.big, window.begins, window.ends);
  const seen = taps(to, padded, at, sizes).map((one) => to.reshape(one, [n, group, 1, inner * area]));
  const matrix = to.reshape(to.op('Concat', seen, { axis: 2 }), [n, group, count * inner, area]);
  const small = to.reshape(at.small, [n, group, outer, area]);
  const sum = to.sum(to.op('FusedMatMul', [small, matrix], { transB: 1 }, 'com.microsoft'), [0]);
  return to.transpose(to.reshape(sum, [group * outer, count, inner]), [0, 2, 1]);
};

/** Windows with channels last: (outer x N * area) (N * area x inner) for each place. */
const perTapLast: Form = (to, at, sizes) => {
  const { n, inner, outer, area, spatial } = sizes;
  const rest = spatial.map((_, i) => i + 2);
  const small = to.reshape(to.transpose(at.small, [1, 0, ...rest]), [outer, n * area]);
  const rows = taps(to, paddedLast(to, at), at, sizes, 1).map((seen) =>
    to.op('MatMul', [small, to.reshape(seen, [n * area, inner])]),
  );
  return stacked(to, rows, outer * inner);
};

/** One input channel for each group: products of maps, summed over space, then over the batch. */
const depthwise: Form = (to, at, sizes) => {
  const { n, outer, area } = sizes;
  const { group, window } = at;
  const small = to.reshape(at.small, [n, group, outer, area]);
  const padded = padSpatial(to, at.big, window.begins, window.ends);
  const rows = taps(to, padded, at, sizes).map((seen) => {
    const map = to.reshape(seen, [n, group, 1, area]);
    return to.sum(to.sum(to.op('Mul', [map, small]), [3]), [0]);
  });
  return stacked(to, rows, group * outer);
};

/**
 * Each map of each sample is a channel of its own, and the gradient its kernel: one depthwise convolution, summed over the
 * batch. In the blocked layout a fourth to an eighth of the time of the other forms; in the plain one, where few machines are, it is slower (measured).
 */
const depthwiseConv: Form = (to, at, { n }) => {
  const { big, small, group, window } = at;
  const { kernel, strides, dilations, begins, ends } = window;
  const left = ends.map((pad) => Math.min(0, pad));
  const whole = padSpatial(
    to,
    big,
    ends.map(() => 0),
    left,
  );
  const maps = to.reshape(whole, [1, n * group, ...to.shape(whole).slice(2)]);
  const kernels = to.reshape(small, [n * group, 1, ...to.shape(small).slice(2)]);
  const sums = to.op('Conv', [maps, kernels], {
    group: n * group,
    // The steps of the window are the holes of the large kernel, and the other way round.
    strides: dilations,
    dilations: strides,
    pads: [...begins, ...ends.map((pad, i) => pad - left[i]!)],
  });
  return to.sum(to.reshape(sums, [n, group, ...kernel]), [0]);
};

/** The same for narrow maps: with channels last the slices are not runs of a few numbers. */
const depthwiseLast: Form = (to, at, sizes) => {
  const { n, area } = sizes;
  const small = to.reshape(channelsLast(to, at.small), [n * area, at.group]);
  const rows = taps(to, paddedLast(to, at), at, sizes, 1).map((seen) =>
    to.sum(to.op('Mul', [to.reshape(seen, [n * area, at.group]), small]), [0]),
  );
  return stacked(to, rows, at.group);
};

/** [N, C, spatial...] as [N, spatial..., C]. */
function channelsLast(to: Composer, value: string): string {
  const rank = to.shape(value).length;
  return to.transpose(value, [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1]);
}

function paddedLast(to: Composer, { big, window }: Correlation): string {
  const last = channelsLast(to, big);
  if ([...window.begins, ...window.ends].every((pad) => pad === 0)) return last;
  return to.op('Pad', [last, to.ints([0, ...window.begins, 0, 0, ...window.ends, 0])]);
}
