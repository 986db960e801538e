import { intOf, sizeOf, stringOf } from '../../src/graph/index.ts';
import { axisIn, eachIndex, offsetOf, picked } from './indices.ts';
import { input, type Kernel, type Kernels } from './kernel.ts';
import { int, like, type Value } from './value.ts';

/** An index that may count from the end. */
const fromFront = (at: number, size: number) => (at < 0 ? at + size : at);

const gather: Kernel = (call) => {
  const [x, indices] = [input(call, 0), input(call, 1)];
  const axis = axisIn(intOf(call.node, 'axis', 0), x.dims.length);
  const [before, after] = [x.dims.slice(0, axis), x.dims.slice(axis + 1)];
  const behind = axis + indices.dims.length;
  return [
    picked(x, [...before, ...indices.dims, ...after], (index) => {
      const at = indices.data[offsetOf(indices.dims, index.slice(axis, behind))]!;
      return [...index.slice(0, axis), fromFront(at, x.dims[axis]!), ...index.slice(behind)];
    }),
  ];
};

const gatherElements: Kernel = (call) => {
  const [x, indices] = [input(call, 0), input(call, 1)];
  const axis = axisIn(intOf(call.node, 'axis', 0), x.dims.length);
  return [
    picked(x, indices.dims, (index) => {
      const at = indices.data[offsetOf(indices.dims, index)]!;
      return index.map((i, a) => (a === axis ? fromFront(at, x.dims[axis]!) : i));
    }),
  ];
};

/** The last axis of `indices` holds the first coordinates in `x`, after `skipped` axes that both share. */
function coordinates(x: Value, indices: Value, index: readonly number[], skipped = 0): number[] {
  const length = indices.dims.at(-1)!;
  return Array.from({ length }, (_, i) =>
    fromFront(indices.data[offsetOf(indices.dims, [...index, i])]!, x.dims[skipped + i]!),
  );
}

const gatherND: Kernel = (call) => {
  const [x, indices] = [input(call, 0), input(call, 1)];
  const shared = intOf(call.node, 'batch_dims', 0);
  const outer = indices.dims.slice(0, -1);
  const rest = x.dims.slice(shared + indices.dims.at(-1)!);
  return [
    picked(x, [...outer, ...rest], (index) => [
      ...index.slice(0, shared),
      ...coordinates(x, indices, index.slice(0, outer.length), shared),
      ...index.slice(outer.length),
    ]),
  ];
};

const REDUCTIONS: Readonly<Record<string, (old: number, update: number) => number>> = {
  none: (_, update) => update,
  add: (old, update) => old + update,
  mul: (old, update) => old * update,
  max: Math.max,
  min: Math.min,
};

/** A copy of input 0 into which the updates (input 2) are written where `target` says. */
const scatter =
  (targetOf: (x: Value, indices: Value, axis: number) => (index: readonly number[]) => number[]): Kernel =>
  (call) => {
    const [x, indices, updates] = [input(call, 0), input(call, 1), input(call, 2)];
    const target = targetOf(x, indices, intOf(call.node, 'axis', 0));
    const reduce = REDUCTIONS[stringOf(call.node, 'reduction', 'none')]!;
    const data = new Float64Array(x.data);
    eachIndex(updates.dims, (index, flat) => {
      const at = offsetOf(x.dims, target(index));
      data[at] = reduce(data[at]!, updates.data[flat]!);
    });
    return [like(x, x.dims, data)];
  };

const scatterElements = scatter((x, indices, given) => {
  const axis = axisIn(given, x.dims.length);
  return (index) => {
    const at = indices.data[offsetOf(indices.dims, index)]!;
    return index.map((i, a) => (a === axis ? fromFront(at, x.dims[axis]!) : i));
  };
});

const scatterND = scatter((x, indices) => {
  const outer = indices.dims.length - 1;
  return (index) => [...coordinates(x, indices, index.slice(0, outer)), ...index.slice(outer)];
});

/** Slices along an axis for which the condition (a vector) holds; without an axis, elements of the flattened input. */
const compress: Kernel = (call) => {
  const [x, condition] = [input(call, 0), input(call, 1)];
  const kept = [...condition.data].flatMap((chosen, i) => (chosen !== 0 ? [i] : []));
  const given = intOf(call.node, 'axis');
  const from = given === undefined ? like(x, [sizeOf(x.dims)], x.data) : x;
  const axis = axisIn(given ?? 0, from.dims.length);
  const dims = from.dims.map((dim, a) => (a === axis ? kept.length : dim));
  return [picked(from, dims, (index) => index.map((i, a) => (a === axis ? kept[i]! : i)))];
};

/** The indices of elements that are not zero, one column each. */
const nonZero: Kernel = (call) => {
  const x = input(call, 0);
  const found: (readonly number[])[] = [];
  eachIndex(x.dims, (index, flat) => {
    if (x.data[flat] !== 0) found.push([...index]);
  });
  const rows = x.dims.map((_, axis) => found.map((index) => index[axis]!));
  return [int([x.dims.length, found.length], rows.flat())];
};

/** Reading and writing where integers say. */
export const GATHER: Kernels = {
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherND,
  ScatterElements: scatterElements,
  ScatterND: scatterND,
  Compress: compress,
  NonZero: nonZero,
};
