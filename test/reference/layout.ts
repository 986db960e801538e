import { floatOf, intOf, intsOf, sizeOf, stringOf } from '../../src/graph/index.ts';
import { axisIn, broadcastDims, picked } from './indices.ts';
import { type Call, input, type Kernel, type Kernels, listOf } from './kernel.ts';
import { like } from './value.ts';

/** The same elements under another shape. */
const reshaped =
  (dimsOf: (call: Call, dims: readonly number[]) => readonly number[]): Kernel =>
  (call) => {
    const x = input(call, 0);
    return [like(x, dimsOf(call, x.dims), x.data)];
  };

function reshapeDims(call: Call, dims: readonly number[]): number[] {
  const wanted = listOf(call, 1) ?? intsOf(call.node, 'shape')!;
  const zeroIsZero = intOf(call.node, 'allowzero', 0) !== 0;
  const found = wanted.map((dim, axis) => (dim === 0 && !zeroIsZero ? dims[axis]! : dim));
  const others = sizeOf(found.filter((dim) => dim !== -1));
  return found.map((dim) => (dim === -1 ? sizeOf(dims) / others : dim));
}

function flattenDims({ node }: Call, dims: readonly number[]): number[] {
  const given = intOf(node, 'axis', 1);
  const axis = given < 0 ? given + dims.length : given;
  return [sizeOf(dims.slice(0, axis)), sizeOf(dims.slice(axis))];
}

/** Axes of Squeeze and Unsqueeze: an attribute before opset 13. */
const axesOf = (call: Call) => intsOf(call.node, 'axes') ?? listOf(call, 1);

function squeezeDims(call: Call, dims: readonly number[]): number[] {
  const axes = axesOf(call)?.map((axis) => axisIn(axis, dims.length));
  return dims.filter((dim, axis) => (axes === undefined ? dim !== 1 : !axes.includes(axis)));
}

function unsqueezeDims(call: Call, dims: readonly number[]): number[] {
  const given = axesOf(call)!;
  const rank = dims.length + given.length;
  const axes = given.map((axis) => axisIn(axis, rank));
  const rest = [...dims];
  return Array.from({ length: rank }, (_, axis) => (axes.includes(axis) ? 1 : rest.shift()!));
}

const transpose: Kernel = (call) => {
  const x = input(call, 0);
  const order = intsOf(call.node, 'perm') ?? x.dims.map((_, axis) => axis).reverse();
  return [
    picked(
      x,
      order.map((axis) => x.dims[axis]!),
      (index) => x.dims.map((_, axis) => index[order.indexOf(axis)]!),
    ),
  ];
};

const concat: Kernel = (call) => {
  const values = call.inputs.map((_, at) => input(call, at));
  const first = values[0]!;
  const axis = axisIn(intOf(call.node, 'axis', 0), first.dims.length);
  const dims = [...first.dims];
  dims[axis] = values.reduce((total, value) => total + value.dims[axis]!, 0);
  let begin = 0;
  const data = new Float64Array(sizeOf(dims));
  for (const value of values) {
    // Zeros outside of its own part: the sum of all is the whole.
    const part = picked(value, dims, (index) => {
      const at = index[axis]! - begin;
      return at >= 0 && at < value.dims[axis]! ? index.map((i, a) => (a === axis ? at : i)) : undefined;
    });
    part.data.forEach((v, flat) => {
      data[flat]! += v;
    });
    begin += value.dims[axis]!;
  }
  return [like(first, dims, data)];
};

const split: Kernel = (call) => {
  const x = input(call, 0);
  const axis = axisIn(intOf(call.node, 'axis', 0), x.dims.length);
  const count = intOf(call.node, 'num_outputs', call.node.outputs.length);
  const each = Math.ceil(x.dims[axis]! / count);
  // The last part is smaller where the size is not a multiple.
  const equal = Array.from({ length: count }, (_, i) => Math.min(each, x.dims[axis]! - i * each));
  let begin = 0;
  return (listOf(call, 1) ?? intsOf(call.node, 'split') ?? equal).map((size) => {
    const from = begin;
    begin += size;
    const dims = x.dims.map((dim, a) => (a === axis ? size : dim));
    return picked(x, dims, (index) => index.map((i, a) => (a === axis ? i + from : i)));
  });
};

const clamp = (x: number, low: number, high: number) => Math.min(Math.max(x, low), high);

/** Starts, ends, axes, steps: inputs since opset 10, attributes before. */
const slice: Kernel = (call) => {
  const x = input(call, 0);
  const starts = listOf(call, 1) ?? intsOf(call.node, 'starts')!;
  const ends = listOf(call, 2) ?? intsOf(call.node, 'ends')!;
  const axes = listOf(call, 3) ?? intsOf(call.node, 'axes') ?? starts.map((_, i) => i);
  const steps = listOf(call, 4) ?? starts.map(() => 1);
  const dims = [...x.dims];
  const from = x.dims.map(() => 0);
  const by = x.dims.map(() => 1);
  for (const [i, given] of axes.entries()) {
    const axis = axisIn(given, x.dims.length);
    const size = x.dims[axis]!;
    const step = steps[i]!;
    // A step backwards may end before the first element: that is -1.
    const bounds: [number, number] = step > 0 ? [0, size] : [-1, size - 1];
    const [start, end] = [starts[i]!, ends[i]!].map((at) => clamp(at < 0 ? at + size : at, ...bounds)) as [
      number,
      number,
    ];
    dims[axis] = Math.max(0, Math.ceil((end - start) / step));
    from[axis] = start;
    by[axis] = step;
  }
  return [picked(x, dims, (index) => index.map((i, axis) => from[axis]! + i * by[axis]!))];
};

const expand: Kernel = (call) => {
  const x = input(call, 0);
  const dims = broadcastDims(x.dims, listOf(call, 1)!);
  const added = dims.length - x.dims.length;
  return [picked(x, dims, (index) => x.dims.map((dim, axis) => (dim === 1 ? 0 : index[axis + added]!)))];
};

const tile: Kernel = (call) => {
  const x = input(call, 0);
  const repeats = listOf(call, 1)!;
  const dims = x.dims.map((dim, axis) => dim * repeats[axis]!);
  return [picked(x, dims, (index) => index.map((i, axis) => i % x.dims[axis]!))];
};

/** Where a position in the padding takes its element from. */
const FOLDS: Readonly<Record<string, (at: number, size: number) => number>> = {
  edge: (at, size) => clamp(at, 0, size - 1),
  wrap: (at, size) => ((at % size) + size) % size,
  reflect: (at, size) => {
    // Forth and back without repeating the ends: a period of 2 (size - 1).
    const period = Math.max(1, 2 * (size - 1));
    const folded = ((at % period) + period) % period;
    return folded < size ? folded : period - folded;
  },
};

const pad: Kernel = (call) => {
  const x = input(call, 0);
  const rank = x.dims.length;
  const pads = listOf(call, 1) ?? intsOf(call.node, 'pads')!;
  const axes = listOf(call, 3)?.map((axis) => axisIn(axis, rank)) ?? x.dims.map((_, axis) => axis);
  const mode = stringOf(call.node, 'mode', 'constant');
  const fill = call.inputs[2]?.data[0] ?? floatOf(call.node, 'value', 0);
  const begins = x.dims.map(() => 0);
  const dims = [...x.dims];
  for (const [i, axis] of axes.entries()) {
    begins[axis] = pads[i]!;
    dims[axis]! += pads[i]! + pads[i + axes.length]!;
  }
  const from = (index: readonly number[]) => {
    const at = index.map((i, axis) => i - begins[axis]!);
    const out = at.some((i, axis) => i < 0 || i >= x.dims[axis]!);
    if (mode === 'constant') return out ? undefined : at;
    return at.map((i, axis) => FOLDS[mode]!(i, x.dims[axis]!));
  };
  return [picked(x, dims, from, fill)];
};

const depthToSpace: Kernel = (call) => {
  const x = input(call, 0);
  const [n, c, h, w] = x.dims as [number, number, number, number];
  const block = intOf(call.node, 'blocksize', 1);
  const depth = c / block ** 2;
  const columnsFirst = stringOf(call.node, 'mode', 'DCR') === 'CRD';
  return [
    picked(x, [n, depth, h * block, w * block], ([sample, d, row, column]) => {
      const within = (row! % block) * block + (column! % block);
      const channel = columnsFirst ? d! * block ** 2 + within : within * depth + d!;
      return [sample!, channel, Math.floor(row! / block), Math.floor(column! / block)];
    }),
  ];
};

const spaceToDepth: Kernel = (call) => {
  const x = input(call, 0);
  const [n, c, h, w] = x.dims as [number, number, number, number];
  const block = intOf(call.node, 'blocksize', 1);
  return [
    picked(x, [n, c * block ** 2, h / block, w / block], ([sample, channel, row, column]) => {
      const within = Math.floor(channel! / c);
      return [
        sample!,
        channel! % c,
        row! * block + Math.floor(within / block),
        column! * block + (within % block),
      ];
    }),
  ];
};

/** What moves elements and computes nothing. */
export const LAYOUT: Kernels = {
  Reshape: reshaped(reshapeDims),
  Flatten: reshaped(flattenDims),
  Squeeze: reshaped(squeezeDims),
  Unsqueeze: reshaped(unsqueezeDims),
  Transpose: transpose,
  Concat: concat,
  Split: split,
  Slice: slice,
  Expand: expand,
  Tile: tile,
  Pad: pad,
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
};
