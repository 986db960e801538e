import { intOf, intsOf, type Node, sizeOf } from '../../src/graph/index.ts';
import { eachIndex, inside, offsetOf } from './indices.ts';
import { input, type Kernel, type Kernels } from './kernel.ts';
import { float } from './value.ts';
import { reachOf, stepsOf, tapOf, windowOf } from './window.ts';

/** x [n, c, ...spatial], w [m, c / groups, ...kernel], bias [m]. */
const conv: Kernel = (call) => {
  const [x, w, bias] = [input(call, 0), input(call, 1), call.inputs[2]];
  const [n, , ...spatial] = x.dims as [number, number, ...number[]];
  const [m, perGroup, ...kernel] = w.dims as [number, number, ...number[]];
  const outPerGroup = m / intOf(call.node, 'group', 1);
  const window = windowOf(call.node, spatial, kernel);
  const dims = [n, m, ...window.counts];
  const data = new Float64Array(sizeOf(dims));
  eachIndex(dims, ([sample, out, ...place], flat) => {
    const firstChannel = Math.floor(out! / outPerGroup) * perGroup;
    let total = bias?.data[out!] ?? 0;
    eachIndex(kernel, (tap) => {
      const at = tapOf(window, place, tap);
      if (!inside(spatial, at)) return;
      const fromX = offsetOf(x.dims, [sample!, firstChannel, ...at]);
      const fromW = offsetOf(w.dims, [out!, 0, ...tap]);
      for (let c = 0; c < perGroup; c++)
        total += x.data[fromX + c * sizeOf(spatial)]! * w.data[fromW + c * sizeOf(kernel)]!;
    });
    data[flat] = total;
  });
  return [float(dims, data)];
};

/** Sizes and begin pads of a ConvTranspose. */
function transposedWindow(node: Node, spatial: readonly number[], kernel: readonly number[]) {
  const { strides, dilations, begins, ends, auto } = stepsOf(node, kernel.length);
  const extra = intsOf(node, 'output_padding') ?? kernel.map(() => 0);
  const asked =
    intsOf(node, 'output_shape')?.slice(-kernel.length) ??
    (auto.startsWith('SAME') ? spatial.map((size, i) => size * strides[i]!) : undefined);
  const sizes = spatial.map((size, i) => {
    const full = strides[i]! * (size - 1) + extra[i]! + reachOf(kernel[i]!, dilations[i]!);
    if (asked === undefined) return auto === 'VALID' ? full : full - begins[i]! - ends[i]!;
    const total = Math.max(0, full - asked[i]!);
    begins[i] = auto === 'SAME_UPPER' ? Math.floor(total / 2) : Math.ceil(total / 2);
    return asked[i]!;
  });
  if (auto === 'VALID') begins.fill(0);
  return { strides, dilations, begins, sizes };
}

/** x [n, c, ...spatial], w [c, m / groups, ...kernel], bias [m]: every element of x adds a scaled kernel to the answer. */
const convTranspose: Kernel = (call) => {
  const [x, w, bias] = [input(call, 0), input(call, 1), call.inputs[2]];
  const [n, channels, ...spatial] = x.dims as [number, number, ...number[]];
  const [, outPerGroup, ...kernel] = w.dims as [number, number, ...number[]];
  const groups = intOf(call.node, 'group', 1);
  const { strides, dilations, begins, sizes } = transposedWindow(call.node, spatial, kernel);
  const dims = [n, outPerGroup * groups, ...sizes];
  const data = new Float64Array(sizeOf(dims));
  if (bias !== undefined)
    eachIndex(dims, (index, flat) => {
      data[flat] = bias.data[index[1]!]!;
    });
  eachIndex(x.dims, ([sample, channel, ...place], flat) => {
    const group = Math.floor(channel! / (channels / groups));
    eachIndex(kernel, (tap) => {
      const at = place.map((p, i) => p * strides[i]! - begins[i]! + tap[i]! * dilations[i]!);
      if (!inside(sizes, at)) return;
      const fromW = offsetOf(w.dims, [channel!, 0, ...tap]);
      const target = offsetOf(dims, [sample!, group * outPerGroup, ...at]);
      for (let m = 0; m < outPerGroup; m++)
        data[target + m * sizeOf(sizes)]! += x.data[flat]! * w.data[fromW + m * sizeOf(kernel)]!;
    });
  });
  return [float(dims, data)];
};

/** Convolutions over any number of spatial axes. */
export const CONV: Kernels = { Conv: conv, ConvTranspose: convTranspose };
