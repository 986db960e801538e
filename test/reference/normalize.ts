import { intOf, intsOf, sizeOf } from '../../src/graph/index.ts';
import { axisIn, broadcastOffset, eachIndex, groupsAlong, offsetOf } from './indices.ts';
import { input, type Kernel, type Kernels, single } from './kernel.ts';
import { bool, float, type Value } from './value.ts';

function meanOf(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0) / numbers.length;
}

/** Mean and variance (over n, not n - 1). */
function momentsOf(numbers: readonly number[]) {
  const mean = meanOf(numbers);
  return { mean, variance: meanOf(numbers.map((v) => (v - mean) ** 2)) };
}

const elementsAt = (x: Value, group: readonly number[]) => group.map((at) => x.data[at]!);

/** Axes of a shape but for some. */
const axesBut = (rank: number, ...kept: number[]) =>
  Array.from({ length: rank }, (_, axis) => axis).filter((axis) => !kept.includes(axis));

/** Inputs x [n, c, ...], scale, bias, mean, variance [c]; in training mode also outputs running mean and variance. */
const batchNormalization: Kernel = (call) => {
  const [x, scale, bias, mean, variance] = [0, 1, 2, 3, 4].map((at) => input(call, at)) as [
    Value,
    Value,
    Value,
    Value,
    Value,
  ];
  const epsilon = single(call.node, 'epsilon', 1e-5);
  const momentum = single(call.node, 'momentum', 0.9);
  const training = intOf(call.node, 'training_mode', 0) !== 0;
  const data = new Float64Array(x.data.length);
  const running = { mean: new Float64Array(mean.data), variance: new Float64Array(variance.data) };
  for (const [c, group] of groupsAlong(x.dims, axesBut(x.dims.length, 1)).entries()) {
    const used = training
      ? momentsOf(elementsAt(x, group))
      : { mean: mean.data[c]!, variance: variance.data[c]! };
    const factor = scale.data[c]! / Math.sqrt(used.variance + epsilon);
    for (const at of group) data[at] = factor * (x.data[at]! - used.mean) + bias.data[c]!;
    running.mean[c] = momentum * mean.data[c]! + (1 - momentum) * used.mean;
    running.variance[c] = momentum * variance.data[c]! + (1 - momentum) * used.variance;
  }
  const y = float(x.dims, data);
  return training ? [y, float(mean.dims, running.mean), float(variance.dims, running.variance)] : [y];
};

/** Each group of elements gets mean 0 and variance 1; also what was taken away and what it was multiplied by. */
function standardized(x: Value, groups: readonly number[][], epsilon: number) {
  const data = new Float64Array(x.data.length);
  const means: number[] = [];
  const inverses: number[] = [];
  for (const group of groups) {
    const { mean, variance } = momentsOf(elementsAt(x, group));
    const inverse = 1 / Math.sqrt(variance + epsilon);
    for (const at of group) data[at] = (x.data[at]! - mean) * inverse;
    means.push(mean);
    inverses.push(inverse);
  }
  return { data, means, inverses };
}

/** Outputs: y, and mean and inverse standard deviation with the normalized axes as 1. */
const layerNormalization: Kernel = (call) => {
  const [x, scale, bias] = [input(call, 0), input(call, 1), call.inputs[2]];
  const rank = x.dims.length;
  const axis = axisIn(intOf(call.node, 'axis', -1), rank);
  const axes = axesBut(rank).slice(axis);
  const { data, means, inverses } = standardized(
    x,
    groupsAlong(x.dims, axes),
    single(call.node, 'epsilon', 1e-5),
  );
  eachIndex(x.dims, (index, flat) => {
    data[flat]! *= scale.data[broadcastOffset(scale.dims, index)]!;
    if (bias !== undefined) data[flat]! += bias.data[broadcastOffset(bias.dims, index)]!;
  });
  const dims = x.dims.map((dim, i) => (i < axis ? dim : 1));
  return [float(x.dims, data), float(dims, means), float(dims, inverses)];
};

/** Over the root of the mean square. Outputs: y, and the inverse root with the normalized axes as 1. */
const rmsNormalization: Kernel = (call) => {
  const [x, scale] = [input(call, 0), input(call, 1)];
  const epsilon = single(call.node, 'epsilon', 1e-5);
  const axis = axisIn(intOf(call.node, 'axis', -1), x.dims.length);
  const data = new Float64Array(x.data.length);
  const inverses = groupsAlong(x.dims, axesBut(x.dims.length).slice(axis)).map((group) => {
    const inverse = 1 / Math.sqrt(meanOf(elementsAt(x, group).map((v) => v * v)) + epsilon);
    for (const at of group) data[at] = x.data[at]! * inverse;
    return inverse;
  });
  eachIndex(x.dims, (index, flat) => {
    data[flat]! *= scale.data[broadcastOffset(scale.dims, index)]!;
  });
  const dims = x.dims.map((dim, i) => (i < axis ? dim : 1));
  return [float(x.dims, data), float(dims, inverses)];
};

/** The sum of x, skip and bias is normalized over its last axis; it is output 3 as well. */
const skipped =
  (at: { scale: number; beta?: number; bias: number }, normalization: Kernel): Kernel =>
  (call) => {
    const [x, skip, bias] = [input(call, 0), input(call, 1), call.inputs[at.bias]];
    const sum = float(x.dims, new Float64Array(x.data));
    eachIndex(x.dims, (index, flat) => {
      sum.data[flat]! += skip.data[broadcastOffset(skip.dims, index)]! + (bias?.data[index.at(-1)!] ?? 0);
    });
    const beta = at.beta === undefined ? undefined : call.inputs[at.beta];
    const found = normalization({ ...call, inputs: [sum, call.inputs[at.scale], beta] });
    // The simplified one has no mean to tell.
    const statistics = found.length === 3 ? found.slice(1) : [float([], [0]), found[1]!];
    return [found[0]!, ...statistics, sum];
  };

/** x [n, c, ...], scale and bias [c]: each channel of each sample by itself. */
const instanceNormalization: Kernel = (call) => {
  const [x, scale, bias] = [input(call, 0), input(call, 1), input(call, 2)];
  const groups = groupsAlong(x.dims, axesBut(x.dims.length, 0, 1));
  const { data } = standardized(x, groups, single(call.node, 'epsilon', 1e-5));
  eachIndex(x.dims, ([, c], flat) => {
    data[flat] = data[flat]! * scale.data[c!]! + bias.data[c!]!;
  });
  return [float(x.dims, data)];
};

/** Neighbouring channels are normalized together. Scale and bias are [groups] before opset 21, since then [c]. */
/** (x - mean) / deviation over `axes`. */
const meanVarianceNormalization: Kernel = (call) => {
  const x = input(call, 0);
  const axes = (intsOf(call.node, 'axes') ?? [0, 2, 3]).map((axis) => axisIn(axis, x.dims.length));
  return [float(x.dims, standardized(x, groupsAlong(x.dims, axes), 0).data)];
};

const groupNormalization: Kernel = (call) => {
  const [x, scale, bias] = [input(call, 0), input(call, 1), input(call, 2)];
  const [n, channels] = x.dims as [number, number];
  const count = intOf(call.node, 'num_groups', 1);
  const groups = groupsAlong([n, count, sizeOf(x.dims) / (n * count)], [2]);
  const { data } = standardized(x, groups, single(call.node, 'epsilon', 1e-5));
  eachIndex(x.dims, ([, c], flat) => {
    const at = call.opset < 21 ? Math.floor(c! / (channels / count)) : c!;
    data[flat] = data[flat]! * scale.data[at]! + bias.data[at]!;
  });
  return [float(x.dims, data)];
};

/** Vectors along an axis over their L1 or L2 norm; a zero vector stays. */
const lpNormalization: Kernel = (call) => {
  const x = input(call, 0);
  const axis = axisIn(intOf(call.node, 'axis', -1), x.dims.length);
  const p = intOf(call.node, 'p', 2);
  const data = new Float64Array(x.data.length);
  for (const group of groupsAlong(x.dims, [axis])) {
    const norm = elementsAt(x, group).reduce((total, v) => total + Math.abs(v) ** p, 0) ** (1 / p);
    for (const at of group) data[at] = norm === 0 ? 0 : x.data[at]! / norm;
  }
  return [float(x.dims, data)];
};

/** Of x [n, c, ...]: x / (bias + alpha / size * sum of squares over the neighbouring channels)^beta. */
const lrn: Kernel = (call) => {
  const x = input(call, 0);
  const size = intOf(call.node, 'size', 1);
  const alpha = single(call.node, 'alpha', 0.0001);
  const beta = single(call.node, 'beta', 0.75);
  const bias = single(call.node, 'bias', 1);
  const data = new Float64Array(x.data.length);
  eachIndex(x.dims, (index, flat) => {
    const [n, c, ...place] = index as [number, number, ...number[]];
    let squares = 0;
    for (let i = c - Math.floor((size - 1) / 2); i <= c + Math.ceil((size - 1) / 2); i++)
      if (i >= 0 && i < x.dims[1]!) squares += x.data[offsetOf(x.dims, [n, i, ...place])]! ** 2;
    data[flat] = x.data[flat]! / (bias + (alpha / size) * squares) ** beta;
  });
  return [float(x.dims, data)];
};

/** Nothing is dropped: outside of training (opset 12: an input says so), or with ratio 0. Random answers are refused. */
const dropout: Kernel = (call) => {
  const x = input(call, 0);
  const training = (call.inputs[2]?.data[0] ?? 0) !== 0;
  if (training && (call.inputs[1]?.data[0] ?? 0.5) !== 0) throw new Error('Dropout that drops is random');
  return [x, bool(x.dims, new Float64Array(x.data.length).fill(1))];
};

/** Normalizations. */
export const NORMALIZE: Kernels = {
  BatchNormalization: batchNormalization,
  LayerNormalization: layerNormalization,
  RMSNormalization: rmsNormalization,
  InstanceNormalization: instanceNormalization,
  GroupNormalization: groupNormalization,
  MeanVarianceNormalization: meanVarianceNormalization,
  LpNormalization: lpNormalization,
  SimplifiedLayerNormalization: rmsNormalization,
  'com.microsoft:SkipLayerNormalization': skipped({ scale: 2, beta: 3, bias: 4 }, layerNormalization),
  'com.microsoft:SkipSimplifiedLayerNormalization': skipped({ scale: 2, bias: 3 }, rmsNormalization),
  LRN: lrn,
  Dropout: dropout,
};
