import { floatOf, intOf, intsOf, type OpName } from '../../graph/index.ts';
import type { Composer } from '../composer.ts';
import { batchSums, perChannel } from './batch-sums.ts';
import type { GradientRule, GradientSite } from './rule.ts';
import { frontAxis, refuse } from './site.ts';
import { channelSums } from './window.ts';

/** Rows of a normalization: what was normalized together, the last axis. */
interface Rows {
  /** (x - mean) / deviation, [rows, size]. */
  readonly normal: string;
  /** 1 / deviation, [rows, 1]. */
  readonly inverse: string;
}

const product = (sizes: readonly number[]) => sizes.reduce((all, size) => all * size, 1);

/** Rows [rows, size] made to have mean 0 and variance 1; the variance is that of the row, plus `epsilon`. */
function normalized(to: Composer, rows: string, epsilon: number): Rows {
  const centred = to.op('Sub', [rows, to.mean(rows, [1], true)]);
  const variance = to.mean(to.op('Mul', [centred, centred]), [1], true);
  const deviation = to.op('Sqrt', [to.op('Add', [variance, to.float(epsilon)])]);
  const inverse = to.op('Reciprocal', [deviation]);
  return { normal: to.op('Mul', [centred, inverse]), inverse };
}

/**
 * Through the mean and the variance of a row, given the gradient of the normal values: (g - mean(g) - normal *
 * mean(g * normal)) / deviation (Ioffe and Szegedy 2015, for rows instead of channels). `centred`: false where no mean
 * was subtracted.
 */
function back(to: Composer, g: string, { normal, inverse }: Rows, centred = true): string {
  const along = to.mean(to.op('Mul', [g, normal]), [1], true);
  const projected = to.op('Mul', [normal, along]);
  const level = centred ? to.op('Sub', [g, to.mean(g, [1], true)]) : g;
  return to.op('Mul', [to.op('Sub', [level, projected]), inverse]);
}

/** Refuses where something depends on outputs besides the first: statistics are not differentiated. */
function onlyFirst(site: GradientSite): void {
  const others = site.node.outputs.slice(1).some((_, i) => site.gradient(i + 1) !== undefined);
  if (others || site.gradient() === undefined) refuse(site, 'whose statistics are used');
}

/** Running statistics are inputs like any other: y = (x - mean) * scale / sqrt(variance + epsilon) + bias. */
const batch: GradientRule = (site) => {
  if (intOf(site.node, 'training_mode', 0) !== 0) refuse(site, 'in training mode, outside of the trainer');
  const { to } = site;
  const g = site.gradient()!;
  const [x, scale, mean, variance] = [site.input(0), site.input(1), site.input(3), site.input(4)];
  const epsilon = to.float(floatOf(site.node, 'epsilon', 1e-5));
  const inverse = to.op('Reciprocal', [to.op('Sqrt', [to.op('Add', [variance, epsilon])])]);
  const factor = to.op('Mul', [scale, inverse]);
  const needsProduct = site.wants(1) || site.wants(4);
  const needsSum = site.wants(2) || site.wants(3) || needsProduct;
  const sum = needsSum ? channelSums(to, g) : undefined;
  const slope = needsProduct ? batchSums(to, g, x, sum!, mean, inverse) : undefined;
  const steep = () => to.op('Mul', [factor, inverse]);
  return [
    site.wants(0) ? to.op('Mul', [g, perChannel(to, factor, to.shape(g).length)]) : undefined,
    slope,
    sum,
    site.wants(3) ? to.op('Neg', [to.op('Mul', [sum!, factor])]) : undefined,
    site.wants(4) ? to.op('Mul', [to.op('Mul', [slope!, steep()]), to.float(-0.5)]) : undefined,
  ];
};

/** Per instance and channel; scale and bias per channel. */
const instance: GradientRule = (site) => grouped(site, site.shape(0)[1]!);

/** Per instance and group of channels; scale and bias per channel (opset 21). */
const group: GradientRule = (site) => grouped(site, intOf(site.node, 'num_groups', 1));

function grouped(site: GradientSite, groups: number): (string | undefined)[] {
  const { to } = site;
  const g = site.gradient()!;
  const dims = site.shape(0);
  const rows = [dims[0]! * groups, product(dims) / (dims[0]! * groups)];
  const found = normalized(to, to.reshape(site.input(0), rows), floatOf(site.node, 'epsilon', 1e-5));
  const normal = () => to.op('Mul', [g, to.reshape(found.normal, dims)]);
  const scaled = () => to.op('Mul', [g, perChannel(to, site.input(1), dims.length)]);
  return [
    site.wants(0) ? to.reshape(back(to, to.reshape(scaled(), rows), found), dims) : undefined,
    site.wants(1) ? channelSums(to, normal()) : undefined,
    site.wants(2) ? channelSums(to, g) : undefined,
  ];
}

/**
 * Over the axes from `axis` on. Mean and inverse deviation are what the node itself gives beside its result. Sums along
 * rows are products with the scale, which spares passes over memory.
 */
const layer: GradientRule = (site) => {
  onlyFirst(site);
  const { to, node } = site;
  const dims = site.shape(0);
  const axis = frontAxis(intOf(node, 'axis', -1), dims.length);
  const shape = [product(dims.slice(0, axis)), product(dims.slice(axis))];
  const [mean, inverse] = statistics(site, axis).map((value) => to.reshape(value, [shape[0]!, 1])) as [
    string,
    string,
  ];
  const x = to.reshape(site.input(0), shape);
  const normal = to.op('Mul', [to.op('Sub', [x, mean]), inverse]);
  return scaledRows(site, shape, { normal, inverse }, true);
};

/** The second and third output of a LayerNormalization, asked for where nobody did: its mean and inverse deviation. */
function statistics(site: GradientSite, axis: number): readonly string[] {
  const { to, node } = site;
  return [1, 2].map((i) => {
    const name = site.output(i) || to.fresh(`${site.output()}:${i === 1 ? 'mean' : 'inverse'}`);
    if (site.output(i) === '') {
      node.outputs[i] = name;
      to.learn(name, { dtype: 'float32', shape: site.shape(0).map((dim, d) => (d < axis ? dim : 1)) });
    }
    return name;
  });
}

/** x / sqrt(mean(x^2) + epsilon) * scale, over the axes from `axis` on. */
const rms: GradientRule = (site) => {
  onlyFirst(site);
  const { to, node } = site;
  const dims = site.shape(0);
  const axis = frontAxis(intOf(node, 'axis', -1), dims.length);
  const shape = [product(dims.slice(0, axis)), product(dims.slice(axis))];
  const x = to.reshape(site.input(0), shape);
  const square = to.mean(to.op('Mul', [x, x]), [1], true);
  const epsilon = to.float(floatOf(node, 'epsilon', 1e-5));
  const inverse = to.op('Reciprocal', [to.op('Sqrt', [to.op('Add', [square, epsilon])])]);
  return scaledRows(site, shape, { normal: to.op('Mul', [x, inverse]), inverse }, false);
};

/** Gradients of x, scale and bias where both are broadcast to x; `shape` is [rows, size]. */
function scaledRows(
  site: GradientSite,
  shape: readonly number[],
  found: Rows,
  centred: boolean,
): (string | undefined)[] {
  const { to } = site;
  const dims = site.shape(0);
  const g = site.gradient()!;
  const scale = site.input(1);
  const bias = site.wants(2) ? to.unbroadcast(g, site.shape(2)) : undefined;
  const flat = to.reshape(g, shape);
  const along = to.op('Mul', [flat, found.normal]);
  const slope = site.wants(1) ? to.unbroadcast(to.reshape(along, dims), site.shape(1)) : undefined;
  if (!site.wants(0)) return [undefined, slope, bias];
  if (product(site.shape(1)) !== shape[1]!) {
    const scaled = to.reshape(to.op('Mul', [g, scale]), shape);
    return [to.reshape(back(to, scaled, found, centred), dims), slope, bias];
  }
  const [row, column] = [to.reshape(scale, [1, shape[1]!]), to.reshape(scale, [shape[1]!, 1])];
  const share = to.op('Mul', [column, to.float(1 / shape[1]!)]);
  const scaled = to.op('Mul', [flat, row]);
  const projected = to.op('Mul', [found.normal, to.op('MatMul', [along, share])]);
  const level = centred ? to.op('Sub', [scaled, to.op('MatMul', [flat, share])]) : scaled;
  const x = to.op('Mul', [to.op('Sub', [level, projected]), found.inverse]);
  return [to.reshape(x, dims), slope, bias];
}

/** y = x / norm of x along an axis: (g - y * sum(g * y)) / norm; for p = 1 the sign of x stands for the first y. */
const lp: GradientRule = (site) => {
  const { to, node } = site;
  const g = site.gradient()!;
  const [x, y] = [site.input(0), site.output()];
  const axes = [frontAxis(intOf(node, 'axis', -1), site.shape(0).length)];
  const first = intOf(node, 'p', 2) === 1;
  const norm = to.op(first ? 'ReduceL1' : 'ReduceL2', [x, to.ints(axes)], { keepdims: 1 });
  const along = to.sum(to.op('Mul', [g, y]), axes, true);
  const direction = first ? to.op('Sign', [x]) : y;
  return [to.op('Div', [to.op('Sub', [g, to.op('Mul', [direction, along])]), norm])];
};

/** (x - mean) / deviation over `axes`. */
const meanVariance: GradientRule = (site) => {
  const { to } = site;
  const dims = site.shape(0);
  const axes = (intsOf(site.node, 'axes') ?? [0, 2, 3]).map((axis) => frontAxis(axis, dims.length));
  const perm = [...dims.map((_, i) => i).filter((i) => !axes.includes(i)), ...axes];
  const moved = perm.map((axis) => dims[axis]!);
  const size = product(axes.map((axis) => dims[axis]!));
  const rows = (value: string) => to.reshape(to.transpose(value, perm), [product(dims) / size, size]);
  const found = back(to, rows(site.gradient()!), normalized(to, rows(site.input(0)), 1e-9));
  const turned = dims.map((_, i) => perm.indexOf(i));
  return [to.transpose(to.reshape(found, moved), turned)];
};

/**
 * y = x / s^beta, s = bias + alpha / size * sum of x^2 over neighbouring channels: g / s^beta - 2 alpha beta / size * x *
 * (the sum over the channels that see this one of g * x / s^(beta + 1)) (Krizhevsky et al. 2012).
 */
const localResponse: GradientRule = (site) => {
  const { to, node } = site;
  const size = intOf(node, 'size', 1);
  const [alpha, beta] = [floatOf(node, 'alpha', 1e-4), floatOf(node, 'beta', 0.75)];
  const dims = site.shape(0);
  const flat = [dims[0]!, 1, dims[1]!, product(dims.slice(2))];
  const [before, after] = [Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2)];
  /** `size` times the mean over neighbours: `from` channels before, `until` after. */
  const mean = (value: string, from: number, until: number) =>
    to.op('AveragePool', [to.reshape(value, flat)], {
      kernel_shape: [size, 1],
      pads: [from, 0, until, 0],
      count_include_pad: 1,
    });
  const x = site.input(0);
  const squares = to.op('Mul', [mean(to.op('Mul', [x, x]), before, after), to.float(alpha)]);
  const s = to.reshape(to.op('Add', [squares, to.float(floatOf(node, 'bias', 1))]), dims);
  const direct = to.op('Mul', [site.gradient()!, to.op('Pow', [s, to.float(-beta)])]);
  const shared = to.reshape(mean(to.op('Div', [to.op('Mul', [direct, x]), s]), after, before), dims);
  const indirect = to.op('Mul', [to.op('Mul', [x, shared]), to.float(2 * alpha * beta)]);
  return [to.op('Sub', [direct, indirect])];
};

/** What scales values by their own statistics, or by frozen ones. */
export const NORMALIZE = {
  BatchNormalization: batch,
  InstanceNormalization: instance,
  GroupNormalization: group,
  LayerNormalization: layer,
  RMSNormalization: rms,
  LpNormalization: lp,
  MeanVarianceNormalization: meanVariance,
  LRN: localResponse,
} as const satisfies Partial<Record<OpName, GradientRule>>;
