import { intOf, intsOf, type Node, stringOf, Tensor } from '../../../graph/index.ts';
import { floatArithmetic, integerArithmetic } from '../kernels/arithmetic.ts';
import { clearBorder, copy } from '../kernels/elementwise.ts';
import { gemm } from '../kernels/gemm.ts';
import { packPanels, perChannel } from '../kernels/pack.ts';
import { Sink } from '../kernels/sink.ts';
import { depthwise, depthwiseInteger, type Windows } from '../kernels/windows.ts';
import { unsupported } from '../plan/lowering.ts';
import type { Tree } from '../plan/tree.ts';
import type { Value } from '../plan/value.ts';
import { elementBytes, sliceOf } from '../plan/view.ts';
import { input, type Row, type Site, shellOf } from './row.ts';
import { floatWeights, type IntegerFactors, integerFactors } from './weights.ts';

/** A window of two spatial axes; a single one is the second. */
export interface Geometry {
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  readonly before: readonly [number, number];
  readonly after: readonly [number, number];
  /** How many spatial axes there really are. */
  readonly rank: number;
}

/** The window of a node over x, to the given output sizes: `after` reaches as far as the last window does. */
export function geometryOf(
  node: Node,
  kernel: readonly number[],
  sizes: readonly number[],
  out: readonly number[],
): Geometry {
  const rank = kernel.length;
  if (rank < 1 || rank > 2) throw unsupported(`${node.op} over ${rank} spatial axes`);
  const auto = stringOf(node, 'auto_pad', 'NOTSET');
  const strides = intsOf(node, 'strides') ?? kernel.map(() => 1);
  const dilations = intsOf(node, 'dilations') ?? kernel.map(() => 1);
  const pads = intsOf(node, 'pads') ?? new Array<number>(2 * rank).fill(0);
  const before = kernel.map((size, i) => {
    const reach = (size - 1) * dilations[i]! + 1;
    if (auto === 'VALID') return 0;
    if (auto === 'NOTSET') return pads[i]!;
    const total = Math.max(0, (out[i]! - 1) * strides[i]! + reach - sizes[i]!);
    return auto === 'SAME_UPPER' ? Math.floor(total / 2) : Math.ceil(total / 2);
  });
  if (before.some((pad) => pad < 0)) throw unsupported('negative pads');
  const after = kernel.map((size, i) =>
    Math.max(0, (out[i]! - 1) * strides[i]! + (size - 1) * dilations[i]! + 1 - sizes[i]! - before[i]!),
  );
  const two = (values: readonly number[], absent: number): [number, number] =>
    rank === 1 ? [absent, values[0]!] : [values[0]!, values[1]!];
  return {
    kernel: two(kernel, 1),
    strides: two(strides, 1),
    dilations: two(dilations, 1),
    before: two(before, 0),
    after: two(after, 0),
    rank,
  };
}

/** The pads of the axes that there are. */
export const ofRank = <T>(values: readonly T[], rank: number): readonly T[] => values.slice(2 - rank);

/** The axes of the output that batch, height and width are. */
export const axesOf = (rank: number): [number, number, number] => (rank === 1 ? [0, -1, 2] : [0, 2, 3]);

const conv: Row = (site) => {
  const { node } = site;
  const [x, w] = [input(site, 0), input(site, 1)];
  const weights = w.constant ?? w.weights?.tensor;
  if (weights === undefined) throw unsupported('a convolution by weights that are computed at run time');
  const [M = 1, each = 1, ...kernel] = weights.dims;
  const shell = shellOf(site);
  const geometry = geometryOf(node, kernel, x.dims.slice(2), shell.dims.slice(2));
  return [
    convolution(site, x, w, site.inputs[2], shell, geometry, { M, each, group: intOf(node, 'group', 1) }),
  ];
};

interface Channels {
  readonly M: number;
  /** Input channels of a group. */
  readonly each: number;
  readonly group: number;
}

function convolution(
  site: Site,
  x: Value,
  w: Value,
  bias: Value | undefined,
  shell: Omit<Value, 'tree'>,
  geometry: Geometry,
  { M, each, group }: Channels,
): Value {
  const { low } = site;
  const { rank, kernel } = geometry;
  const taps = kernel[0] * kernel[1];
  const integer = integerFactors(x, w, bias, M);
  const base = integer === undefined ? x : x.real!;
  const view = low.spatial(base, ofRank(geometry.before, rank), ofRank(geometry.after, rank), 'zero');
  const out = rank === 1 ? [1, shell.dims[2]!] : [shell.dims[2]!, shell.dims[3]!];
  const windows: Windows = { ...geometry, x: view, out: out as [number, number], axes: axesOf(rank) };
  const label = low.label;
  const depth = group === M && each === 1 && view.dims[1] === group && group > 1;
  return low.heavy(shell, 1, (sink) => {
    const before = low.label;
    low.label = label;
    if (integer !== undefined)
      convolveIntegers(site, windows, integer, { M, each, group }, depth, requantized(sink, integer));
    else {
      const values = floatWeights(w);
      const biases = bias === undefined ? undefined : floatWeights(bias);
      if (depth) {
        const view2 = biases && perChannel(low.program, `${label} bias`, biases, false);
        depthwise(low.program, label, { ...windows, weights: values, bias: view2 }, sink);
      } else {
        const a = floatArithmetic(low.program);
        const per = M / group;
        for (let g = 0; g < group; g++) {
          const biasOf = biases?.subarray(g * per, (g + 1) * per);
          gemm(
            low.program,
            label,
            {
              ...productOf(windows, g, each, per),
              arithmetic: a,
              weights: {
                pack: (vecs, run) =>
                  packPanels(
                    low.program,
                    `${label} weights`,
                    a,
                    { channels: per, sum: taps * each, run, vecs },
                    (m, k) => {
                      const [tap, c] = [Math.floor(k / each), k % each];
                      return values[((g * per + m) * each + c) * taps + tap]!;
                    },
                  ),
              },
              bias: biasOf && perChannel(low.program, `${label} bias`, biasOf, false),
              scale: undefined,
            },
            group === 1 ? sink : sink.slice(1, g * per, per),
          );
        }
      }
    }
    low.label = before;
  });
}

/** A convolution as a product: every output sums runs of the input that lie side by side. */
function productOf(windows: Windows, g: number, each: number, channels: number) {
  const { kernel, strides, dilations, out, axes } = windows;
  const all = windows.x;
  const x = all.dims[1] === each ? all : sliceOf(all, 1, g * each, each);
  const size = elementBytes(x);
  const [sn, , sh, sw] = x.strides.map((stride) => stride * size) as [number, number, number, number];
  const corner = {
    ...x,
    offset: x.offset - windows.before[0] * x.strides[2]! - windows.before[1] * x.strides[3]!,
  };
  return {
    x: corner,
    channels,
    axis: 1,
    positions: [
      { size: x.dims[0]!, axis: axes[0], x: sn, w: 0 },
      { size: out[0], axis: axes[1], x: sh * strides[0], w: 0 },
      { size: out[1], axis: axes[2], x: sw * strides[1], w: 0 },
    ],
    sums: [
      { size: kernel[0], x: sh * dilations[0] },
      { size: kernel[1], x: sw * dilations[1] },
      { size: each, x: size },
    ],
  };
}

function convolveIntegers(
  { low }: Site,
  windows: Windows,
  integer: IntegerFactors,
  { M, each, group }: Channels,
  depth: boolean,
  { sink, scales }: { sink: Sink; scales: Float32Array },
): void {
  const { program, label } = low;
  const taps = windows.kernel[0] * windows.kernel[1];
  if (depth) {
    const bias = perChannel(program, `${label} bias`, integer.bias ?? new Int32Array(M), true);
    const scale = perChannel(program, `${label} scales`, scales, false);
    depthwiseInteger(program, label, { ...windows, weights: integer.weights, bias, scale }, sink);
    return;
  }
  const a = integerArithmetic(program);
  const per = M / group;
  for (let g = 0; g < group; g++) {
    const part = <T extends Float32Array | Int32Array>(values: T) =>
      values.slice(g * per, (g + 1) * per) as T;
    gemm(
      program,
      label,
      {
        ...productOf(windows, g, each, per),
        arithmetic: a,
        weights: {
          pack: (vecs, run) =>
            packPanels(
              program,
              `${label} weights`,
              a,
              { channels: per, sum: taps * each, run, vecs },
              (m, k) => {
                const [tap, c] = [Math.floor(k / each), k % each];
                return integer.weights[((g * per + m) * each + c) * taps + tap]!;
              },
            ),
        },
        bias: integer.bias && perChannel(program, `${label} bias`, part(integer.bias), true),
        scale: scaleOf(low.program, `${label} scales`, part(scales)),
      },
      group === 1 ? sink : sink.slice(1, g * per, per),
    );
  }
}

/** One number where all channels share it. */
export function scaleOf(program: Site['low']['program'], name: string, scales: Float32Array) {
  return scales.every((scale) => scale === scales[0]) ? scales[0]! : perChannel(program, name, scales, false);
}

/**
 * Where the sums of integers are quantized again with nothing but an activation between, both scales are one factor: as ONNX
 * Runtime rounds it, x * w / y in float32.
 */
export function requantized(sink: Sink, { scales }: IntegerFactors): { sink: Sink; scales: Float32Array } {
  const { quant, tree } = sink;
  if (quant === undefined) return { sink, scales };
  const within = activationOnly(tree, 1 / quant.scale);
  if (within === undefined) return { sink, scales };
  return {
    sink: new Sink(sink.out, within, { ...quant, scale: 1 }),
    scales: scales.map((scale) => Math.fround(scale / quant.scale)),
  };
}

function activationOnly(tree: Tree, k: number): Tree | undefined {
  if (tree.kind === 'heavy') return tree;
  if (tree.kind !== 'op') return undefined;
  if (tree.op !== 'relu' && tree.op !== 'leakyRelu' && tree.op !== 'clip') return undefined;
  const inner = activationOnly(tree.args[0]!, k);
  if (inner === undefined) return undefined;
  return {
    ...tree,
    args: [inner],
    parameters: tree.op === 'clip' ? tree.parameters.map((bound) => bound * k) : tree.parameters,
  };
}

/**
 * As a convolution over the input with zeros between its elements, by the weights turned around. The zeros cost
 * multiplications: it is right, and slower than it could be.
 */
const convTranspose: Row = (site) => {
  const { low, node } = site;
  const [x, w] = [input(site, 0), input(site, 1)];
  const weights = w.constant;
  if (weights === undefined)
    throw unsupported('a transposed convolution by weights that are not float constants');
  const shell = shellOf(site);
  const [C = 1, each = 1, ...kernel] = weights.dims;
  const rank = kernel.length;
  if (rank > 2) throw unsupported(`${node.op} over ${rank} spatial axes`);
  const group = intOf(node, 'group', 1);
  const strides = intsOf(node, 'strides') ?? kernel.map(() => 1);
  const dilations = intsOf(node, 'dilations') ?? kernel.map(() => 1);
  const extra = intsOf(node, 'output_padding') ?? kernel.map(() => 0);
  const sizes = x.dims.slice(2);
  const reach = kernel.map((size, i) => (size - 1) * dilations[i]! + 1);
  const auto = stringOf(node, 'auto_pad', 'NOTSET');
  const shaped = intsOf(node, 'output_shape') !== undefined || auto.startsWith('SAME');
  const pads = kernel.map((_, i) => {
    if (!shaped) return auto === 'VALID' ? 0 : (intsOf(node, 'pads')?.[i] ?? 0);
    const total = strides[i]! * (sizes[i]! - 1) + extra[i]! + reach[i]! - shell.dims[i + 2]!;
    return auto === 'SAME_UPPER' ? Math.floor(total / 2) : total - Math.floor(total / 2);
  });
  const before = reach.map((size, i) => size - 1 - pads[i]!);
  if (before.some((pad) => pad < 0)) throw unsupported('pads beyond the window');
  const spread = sizes.map((size, i) => (size - 1) * strides[i]! + 1);
  const after = kernel.map((_, i) =>
    Math.max(0, shell.dims[i + 2]! - 1 + reach[i]! - before[i]! - spread[i]!),
  );
  const wide = low.program.channelsLast(`${x.name} spread`, 'f32', [x.dims[0]!, C, ...spread], {
    before,
    after,
    fill: 'zero',
  });
  const source = low.view(x);
  if (strides.some((stride) => stride > 1)) {
    const zero = low.program.constant(
      `${low.label} zero`,
      'f32',
      new Array<number>(rank + 2).fill(1),
      new Uint8Array(4),
    );
    copy(low.program, low.label, zero, wide);
  }
  clearBorder(low.program, low.label, wide);
  const places = kernel.reduce((view, _, i) => sliceOf(view, i + 2, 0, sizes[i]!, strides[i]!), wide);
  copy(low.program, low.label, source, places);
  const per = C / group;
  const values = floatWeights(w);
  const taps = kernel.reduce((product, size) => product * size, 1);
  // [C, M/group, k] turned around into [M, C/group, k].
  const turned = new Float32Array(values.length);
  for (let m = 0; m < each * group; m++) {
    for (let c = 0; c < per; c++) {
      const g = Math.floor(m / each);
      for (let k = 0; k < taps; k++) {
        turned[(m * per + c) * taps + k] = values[((g * per + c) * each + (m % each)) * taps + taps - 1 - k]!;
      }
    }
  }
  const dims = [each * group, per, ...kernel];
  const two = (list: readonly number[], absent: number): [number, number] =>
    rank === 1 ? [absent, list[0]!] : [list[0]!, list[1]!];
  const geometry: Geometry = {
    kernel: two(kernel, 1),
    strides: [1, 1],
    dilations: two(dilations, 1),
    before: two(before, 0),
    after: two(after, 0),
    rank,
  };
  const spreadValue = low.inner([x.dims[0]!, C, ...spread], { view: wide });
  const turnedValue = low.constant(`${w.name} turned`, Tensor.float32(dims, turned));
  return [
    convolution(site, spreadValue, turnedValue, site.inputs[2], shell, geometry, {
      M: each * group,
      each: per,
      group,
    }),
  ];
};

export const CONV = { Conv: conv, ConvTranspose: convTranspose } as const satisfies Record<string, Row>;
