import { intOf, intsOf, sizeOf } from '../../src/graph/index.ts';
import { axisIn, groupsAlong } from './indices.ts';
import { type Call, input, type Kernel, type Kernels, listOf } from './kernel.ts';
import { int, like, type Value } from './value.ts';

const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);

const logSumExp = (numbers: readonly number[]) => {
  const most = Math.max(...numbers);
  return Number.isFinite(most) ? most + Math.log(sum(numbers.map((v) => Math.exp(v - most)))) : most;
};

/** The axes to reduce: an attribute, or an input since opset 13 (ReduceSum) and 18 (the others). */
function axesOf(call: Call, rank: number): number[] {
  const given = intsOf(call.node, 'axes') ?? listOf(call, 1) ?? [];
  if (given.length > 0) return given.map((axis) => axisIn(axis, rank));
  return intOf(call.node, 'noop_with_empty_axes', 0) !== 0 ? [] : Array.from({ length: rank }, (_, i) => i);
}

function without(dims: readonly number[], axes: readonly number[], keepdims: boolean): number[] {
  return keepdims
    ? dims.map((dim, axis) => (axes.includes(axis) ? 1 : dim))
    : dims.filter((_, axis) => !axes.includes(axis));
}

const reduction =
  (f: (numbers: readonly number[]) => number): Kernel =>
  (call) => {
    const x = input(call, 0);
    const axes = axesOf(call, x.dims.length);
    const groups = groupsAlong(x.dims, axes);
    const dims = without(x.dims, axes, intOf(call.node, 'keepdims', 1) !== 0);
    const kept = x.kind === 'int' ? Math.trunc : (v: number) => v;
    return [
      like(
        x,
        dims,
        groups.map((group) => kept(f(group.map((at) => x.data[at]!)))),
      ),
    ];
  };

/** The position of the first (or last) of the best elements along an axis. */
const argument =
  (better: (a: number, b: number) => boolean): Kernel =>
  (call) => {
    const x = input(call, 0);
    const axis = axisIn(intOf(call.node, 'axis', 0), x.dims.length);
    const last = intOf(call.node, 'select_last_index', 0) !== 0;
    const found = groupsAlong(x.dims, [axis]).map((group) => {
      let best = 0;
      for (const [i, at] of group.entries()) {
        const [mine, most] = [x.data[at]!, x.data[group[best]!]!];
        if (better(mine, most) || (last && mine === most)) best = i;
      }
      return best;
    });
    return [int(without(x.dims, [axis], intOf(call.node, 'keepdims', 1) !== 0), found)];
  };

const cumSum: Kernel = (call) => {
  const x = input(call, 0);
  const axis = axisIn(input(call, 1).data[0]!, x.dims.length);
  const exclusive = intOf(call.node, 'exclusive', 0) !== 0;
  const data = new Float64Array(x.data.length);
  for (const group of groupsAlong(x.dims, [axis])) {
    if (intOf(call.node, 'reverse', 0) !== 0) group.reverse();
    let total = 0;
    for (const at of group) {
      if (exclusive) data[at] = total;
      total += x.data[at]!;
      if (!exclusive) data[at] = total;
    }
  }
  return [like(x, x.dims, data)];
};

/** What an operator makes of each vector along `axis`; before opset 13 along all axes from `axis` (default 1) on. */
const normalized =
  (f: (numbers: readonly number[]) => number[]): Kernel =>
  (call) => {
    const x = input(call, 0);
    const rank = x.dims.length;
    const axis = axisIn(intOf(call.node, 'axis', call.opset < 13 ? 1 : -1), rank);
    const axes = call.opset < 13 ? Array.from({ length: rank - axis }, (_, i) => axis + i) : [axis];
    const data = new Float64Array(sizeOf(x.dims));
    for (const group of groupsAlong(x.dims, axes)) {
      const made = f(group.map((at) => x.data[at]!));
      for (const [i, at] of group.entries()) data[at] = made[i]!;
    }
    return [like(x, x.dims, data)];
  };

const logSoftmax = (numbers: readonly number[]) => {
  const total = logSumExp(numbers);
  return numbers.map((v) => v - total);
};

/** 1 at the first of the largest, 0 elsewhere. */
const hardmax = (numbers: readonly number[]) => {
  const first = numbers.indexOf(Math.max(...numbers));
  return numbers.map((_, i) => Number(i === first));
};

/** The k largest (or smallest) along an axis, in order; of equals the first comes first. */
const topK: Kernel = (call) => {
  const x = input(call, 0);
  const k = input(call, 1).data[0]!;
  const axis = axisIn(intOf(call.node, 'axis', -1), x.dims.length);
  const sign = intOf(call.node, 'largest', 1) !== 0 ? 1 : -1;
  const dims = x.dims.map((dim, i) => (i === axis ? k : dim));
  const values: Value = like(x, dims, new Float64Array(sizeOf(dims)));
  const places = int(dims, new Float64Array(sizeOf(dims)));
  const targets = groupsAlong(dims, [axis]);
  for (const [g, group] of groupsAlong(x.dims, [axis]).entries()) {
    const order = group
      .map((_, i) => i)
      .sort((a, b) => sign * (x.data[group[b]!]! - x.data[group[a]!]!) || a - b);
    for (const [i, target] of targets[g]!.entries()) {
      values.data[target] = x.data[group[order[i]!]!]!;
      places.data[target] = order[i]!;
    }
  }
  return [values, places];
};

/** Reductions, and what looks along axes. */
export const REDUCE: Kernels = {
  ReduceSum: reduction(sum),
  ReduceMean: reduction((numbers) => sum(numbers) / numbers.length),
  ReduceMax: reduction((numbers) => Math.max(...numbers)),
  ReduceMin: reduction((numbers) => Math.min(...numbers)),
  ReduceProd: reduction((numbers) => numbers.reduce((a, b) => a * b, 1)),
  ReduceL1: reduction((numbers) => sum(numbers.map(Math.abs))),
  ReduceL2: reduction((numbers) => Math.sqrt(sum(numbers.map((v) => v * v)))),
  ReduceLogSum: reduction((numbers) => Math.log(sum(numbers))),
  ReduceLogSumExp: reduction(logSumExp),
  ReduceSumSquare: reduction((numbers) => sum(numbers.map((v) => v * v))),
  ArgMax: argument((a, b) => a > b),
  ArgMin: argument((a, b) => a < b),
  CumSum: cumSum,
  TopK: topK,
  Softmax: normalized((numbers) => logSoftmax(numbers).map(Math.exp)),
  LogSoftmax: normalized(logSoftmax),
  Hardmax: normalized(hardmax),
};
