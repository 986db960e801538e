import { intsOf, type Node, sizeOf, stringOf } from '../../graph/index.ts';

/** What the windows of a convolution see: x [N, C, ...spatial] under a kernel. One group. */
export interface Windows {
  /** Numbers under one window: C times the size of the kernel. */
  readonly size: number;
  /** Windows of one sample. */
  readonly places: number;
  /**
   * Where in x each number of a window lies, row-major as in a weight [O, C, ...kernel]; -1 in the padding. The list is used
   * anew by the next call.
   */
  at(sample: number, place: number): Int32Array;
}

/** The windows of a Conv node over x of these sizes, of which it makes `made`; `kernel` are the spatial sizes of its weight. */
export function windowsOf(
  node: Node,
  x: readonly number[],
  made: readonly number[],
  kernel: readonly number[],
): Windows {
  const [channels, input, output] = [x[1]!, x.slice(2), made.slice(2)];
  const strides = intsOf(node, 'strides') ?? kernel.map(() => 1);
  const dilations = intsOf(node, 'dilations') ?? kernel.map(() => 1);
  const begins = beginsOf(node, input, output, kernel, strides, dilations);
  const [area, cells] = [sizeOf(input), sizeOf(kernel)];
  const list = new Int32Array(channels * cells);
  return {
    size: list.length,
    places: sizeOf(output),
    at(sample, place) {
      const corner = placeIn(place, output).map((at, i) => at * strides[i]! - begins[i]!);
      for (let cell = 0; cell < cells; cell++) {
        let offset = 0;
        let inside = true;
        for (const [i, step] of placeIn(cell, kernel).entries()) {
          const at = corner[i]! + step * dilations[i]!;
          inside &&= at >= 0 && at < input[i]!;
          offset = offset * input[i]! + at;
        }
        for (let channel = 0; channel < channels; channel++) {
          list[channel * cells + cell] = inside ? (sample * channels + channel) * area + offset : -1;
        }
      }
      return list;
    },
  };
}

/** Padding before each spatial axis. */
function beginsOf(
  node: Node,
  input: readonly number[],
  output: readonly number[],
  kernel: readonly number[],
  strides: readonly number[],
  dilations: readonly number[],
): number[] {
  const auto = stringOf(node, 'auto_pad', 'NOTSET');
  const pads = intsOf(node, 'pads') ?? [];
  return kernel.map((size, i) => {
    if (auto === 'NOTSET') return pads[i] ?? 0;
    if (auto === 'VALID') return 0;
    const reach = (output[i]! - 1) * strides[i]! + (size - 1) * dilations[i]! + 1;
    const total = Math.max(0, reach - input[i]!);
    return auto === 'SAME_LOWER' ? Math.ceil(total / 2) : Math.floor(total / 2);
  });
}

/** The coordinates of the number `at` of a row-major box. */
function placeIn(at: number, dims: readonly number[]): number[] {
  const place = dims.map(() => 0);
  let rest = at;
  for (let i = dims.length - 1; i >= 0; i--) {
    place[i] = rest % dims[i]!;
    rest = Math.floor(rest / dims[i]!);
  }
  return place;
}
