import { intOf, intsOf, sizeOf } from '../../src/graph/index.ts';
import { eachIndex, groupsAlong, inside, offsetOf } from './indices.ts';
import { input, type Kernel, type Kernels } from './kernel.ts';
import { int, like } from './value.ts';
import { tapOf, windowOf } from './window.ts';

/** Outputs: the maxima, and where each lies in the whole input. Of equal elements the first one wins. */
const maxPool: Kernel = (call) => {
  const x = input(call, 0);
  const [, , ...spatial] = x.dims;
  const window = windowOf(call.node, spatial, intsOf(call.node, 'kernel_shape')!);
  const byColumn = intOf(call.node, 'storage_order', 0) !== 0;
  const dims = [...x.dims.slice(0, 2), ...window.counts];
  const data = new Float64Array(sizeOf(dims));
  const places = new Float64Array(sizeOf(dims));
  eachIndex(dims, ([sample, channel, ...place], flat) => {
    let most = -Infinity;
    eachIndex(window.kernel, (tap) => {
      const at = tapOf(window, place, tap);
      if (!inside(spatial, at)) return;
      const value = x.data[offsetOf(x.dims, [sample!, channel!, ...at])]!;
      if (!(value > most)) return;
      most = value;
      const within = byColumn ? offsetOf(spatial.toReversed(), at.toReversed()) : offsetOf(spatial, at);
      places[flat] = (sample! * x.dims[1]! + channel!) * sizeOf(spatial) + within;
    });
    data[flat] = most;
  });
  return [like(x, dims, data), int(dims, places)];
};

/** The mean over the window; what is padding counts as zeros with count_include_pad, else not at all. */
const averagePool: Kernel = (call) => {
  const x = input(call, 0);
  const [, , ...spatial] = x.dims;
  const window = windowOf(call.node, spatial, intsOf(call.node, 'kernel_shape')!);
  const includePad = intOf(call.node, 'count_include_pad', 0) !== 0;
  const dims = [...x.dims.slice(0, 2), ...window.counts];
  const data = new Float64Array(sizeOf(dims));
  eachIndex(dims, ([sample, channel, ...place], flat) => {
    let total = 0;
    let count = 0;
    eachIndex(window.kernel, (tap) => {
      const at = tapOf(window, place, tap);
      if (inside(spatial, at)) {
        total += x.data[offsetOf(x.dims, [sample!, channel!, ...at])]!;
        count += 1;
        // With ceil_mode a window may reach beyond the padding; that never counts.
      } else if (includePad && at.every((p, i) => p < spatial[i]! + window.ends[i]!)) count += 1;
    });
    data[flat] = total / count;
  });
  return [like(x, dims, data)];
};

const global =
  (f: (numbers: readonly number[]) => number): Kernel =>
  (call) => {
    const x = input(call, 0);
    const axes = x.dims.map((_, axis) => axis).slice(2);
    const found = groupsAlong(x.dims, axes).map((group) => f(group.map((at) => x.data[at]!)));
    return [like(x, [...x.dims.slice(0, 2), ...axes.map(() => 1)], found)];
  };

/** Pools over the spatial axes. */
export const POOL: Kernels = {
  MaxPool: maxPool,
  AveragePool: averagePool,
  GlobalAveragePool: global((numbers) => numbers.reduce((a, b) => a + b, 0) / numbers.length),
  GlobalMaxPool: global((numbers) => Math.max(...numbers)),
};
