import { intOf, intsOf, stringOf } from '../../../graph/index.ts';
import { copy, elementwise } from '../kernels/elementwise.ts';
import { Sink } from '../kernels/sink.ts';
import { unsupported } from '../plan/lowering.ts';
import { constant } from '../plan/tree.ts';
import type { Value } from '../plan/value.ts';
import { broadcastTo, permuted, reshaped, sliceOf, type View } from '../plan/view.ts';
import {
  axisOf,
  constantInput,
  input,
  moved,
  type Row,
  realOf,
  type Site,
  shellOf,
  wholeNumbers,
} from './row.ts';

const STORABLE = new Set(['float32', 'bool', 'int32', 'int64', 'uint8', 'int8']);

function storable(x: Value): void {
  if (!STORABLE.has(x.dtype)) throw unsupported(`numbers of type ${x.dtype}`);
}

/** The same elements in the same order under another shape. */
const reshape: Row = (site) => {
  const x = input(site, 0);
  storable(x);
  const shell = shellOf(site);
  return [
    moved(site, x, shell, (base) => {
      const as = reshaped(site.low.view(base), shell.dims);
      return as ?? reshaped(site.low.contiguous(base), shell.dims)!;
    }),
  ];
};

/** Where nothing has to move, the arithmetic goes on. */
const same: Row = (site) => {
  const x = input(site, 0);
  const shell = shellOf(site);
  if (x.view === undefined && x.constant === undefined && x.tree !== undefined) {
    const passed: Value = {
      ...shell,
      tree: x.tree,
      ...(x.quant && { quant: x.quant }),
      ...(x.real && { real: x.real }),
    };
    site.low.claim(passed);
    return [passed];
  }
  return [moved(site, x, shell, (base) => site.low.view(base))];
};

const dropout: Row = (site) => {
  const training = constantInput(site, 2, 'the training mode of a Dropout')?.numbers()[0] ?? 0;
  if (training !== 0) throw unsupported('a Dropout that trains');
  if ((site.node.outputs[1] ?? '') !== '') throw unsupported('the mask of a Dropout');
  return same(site);
};

const transpose: Row = (site) => {
  const x = input(site, 0);
  storable(x);
  const perm = intsOf(site.node, 'perm') ?? x.dims.map((_, i) => x.dims.length - 1 - i);
  return [moved(site, x, shellOf(site), (base) => permuted(site.low.view(base), perm))];
};

const slice: Row = (site) => {
  const x = input(site, 0);
  storable(x);
  const rank = x.dims.length;
  const starts = wholeNumbers(site, 'starts', 1) ?? [];
  const ends = wholeNumbers(site, 'ends', 2) ?? [];
  const axes = wholeNumbers(site, 'axes', 3) ?? starts.map((_, i) => i);
  const steps = constantInput(site, 4, 'steps')?.numbers() ?? starts.map(() => 1);
  return [
    moved(site, x, shellOf(site), (base) =>
      axes.reduce((view, given, i) => {
        const axis = axisOf(given, rank);
        const [dim, step] = [x.dims[axis]!, steps[i]!];
        const from = (value: number) => (value < 0 ? value + dim : value);
        const within = (value: number, low: number, high: number) => Math.max(low, Math.min(high, value));
        const start = step > 0 ? within(from(starts[i]!), 0, dim) : within(from(starts[i]!), 0, dim - 1);
        const end = step > 0 ? within(from(ends[i]!), 0, dim) : within(from(ends[i]!), -1, dim - 1);
        return sliceOf(view, axis, start, Math.max(0, Math.ceil((end - start) / step)), step);
      }, site.low.view(base)),
    ),
  ];
};

const split: Row = (site) => {
  const { node } = site;
  const x = input(site, 0);
  storable(x);
  const axis = axisOf(intOf(node, 'axis', 0), x.dims.length);
  let start = 0;
  return node.outputs.map((name, i) => {
    if (name === '') throw unsupported('a Split with an output that is left out');
    const shell = shellOf(site, i);
    const count = shell.dims[axis]!;
    const from = start;
    start += count;
    return moved(site, x, shell, (base) => sliceOf(site.low.view(base), axis, from, count));
  });
};

const expand: Row = (site) => {
  const x = input(site, 0);
  storable(x);
  const shell = shellOf(site);
  return [moved(site, x, shell, (base) => broadcastTo(site.low.view(base), shell.dims))];
};

/** Parts written side by side; a part that is not computed yet is computed into its place. */
const concat: Row = (site) => {
  const { low, node } = site;
  const shell = shellOf(site);
  const axis = axisOf(intOf(node, 'axis', 0), shell.dims.length);
  const parts = site.inputs.map((_, i) => input(site, i));
  parts.forEach(storable);
  const first = parts[0]!;
  const quant = first.real?.quant ?? first.quant;
  const alike = (value: Value) => {
    const own = value.real?.quant ?? value.quant;
    return (
      own !== undefined &&
      own.scale === quant?.scale &&
      own.zeroPoint === quant.zeroPoint &&
      own.dtype === quant.dtype
    );
  };
  const integers = parts.every(alike);
  const whole: Value = integers ? { ...shell, dtype: first.real?.dtype ?? first.dtype, quant } : { ...shell };
  const out = low.allocate(whole);
  let start = 0;
  for (const part of parts) {
    const count = part.dims[axis]!;
    const place = sliceOf(out, axis, start, count);
    start += count;
    const base = integers ? (part.real ?? part) : part;
    if (base.view === undefined && base.tree !== undefined && low.usesOf(base.name) === 1)
      low.write(base, place);
    else if (base.real !== undefined) elementwise(low.program, low.label, new Sink(place, low.tree(base)));
    else copy(low.program, low.label, low.view(base), place);
  }
  if (integers && first.real !== undefined) return [realOf(low, { ...whole, view: out }, shell)];
  return [{ ...whole, view: out }];
};

/** Around the edges: a number, the elements mirrored, or the last one again. */
const pad: Row = (site) => {
  const { low, node } = site;
  const x = input(site, 0);
  const base = x.real ?? x;
  const mode = stringOf(node, 'mode', 'constant');
  const shell = shellOf(site);
  const rank = x.dims.length;
  const given = wholeNumbers(site, 'pads', 1) ?? [];
  const axes = (constantInput(site, 3, 'axes')?.numbers() ?? x.dims.map((_, i) => i)).map((axis) =>
    axisOf(axis, rank),
  );
  const before = new Array<number>(rank).fill(0);
  const after = new Array<number>(rank).fill(0);
  for (const [i, axis] of axes.entries()) {
    before[axis] = given[i]!;
    after[axis] = given[i + axes.length]!;
  }
  if (mode === 'wrap') throw unsupported('a Pad that wraps around');
  const float = base.dtype === 'float32';
  if (!float && base.quant === undefined) throw unsupported(`a Pad of ${base.dtype}`);
  const whole: Value = { ...shell, dtype: base.dtype, ...(base.quant && { quant: base.quant }) };
  const out = low.allocate(whole);
  if (mode === 'constant' && [...before, ...after].some((count) => count > 0)) {
    const value = constantInput(site, 2, 'the value of a Pad')?.numbers()[0] ?? 0;
    const quant = base.quant;
    const sink = new Sink(
      out,
      constant(x.real === undefined && quant !== undefined ? value - quant.zeroPoint : value),
      quant,
    );
    elementwise(
      low.program,
      low.label,
      x.real === undefined && quant !== undefined ? new Sink(out, sink.tree, { ...quant, scale: 1 }) : sink,
    );
  }
  // Negative pads cut.
  const source = x.dims.reduce(
    (view, dim, axis) =>
      sliceOf(
        view,
        axis,
        Math.max(0, -before[axis]!),
        dim + Math.min(0, before[axis]!) + Math.min(0, after[axis]!),
      ),
    low.view(base),
  );
  const inside = source.dims.reduce(
    (view, dim, axis) => sliceOf(view, axis, Math.max(0, before[axis]!), dim),
    out,
  );
  copy(low.program, low.label, source, inside);
  if (mode !== 'constant') mirror(site, inside, before, after, mode);
  const made: Value = { ...whole, view: out };
  return [x.real === undefined ? made : realOf(low, made, shell)];
};

function mirror(
  { low }: Site,
  inside: View,
  before: readonly number[],
  after: readonly number[],
  mode: string,
): void {
  const { program, label } = low;
  let done = inside;
  for (const [axis, dim] of inside.dims.entries()) {
    const [head, tail] = [Math.max(0, before[axis]!), Math.max(0, after[axis]!)];
    const first = sliceOf(done, axis, 0, 1);
    const whole = { ...done, dims: done.dims.map((own, i) => (i === axis ? head + dim + tail : own)) };
    const grown = { ...whole, offset: done.offset - head * done.strides[axis]! };
    const part = (start: number, count: number) => sliceOf(grown, axis, start, count);
    if (mode === 'reflect' && (head >= dim || tail >= dim))
      throw unsupported('a reflection wider than the tensor');
    const mirrored = (start: number, count: number) => sliceOf(done, axis, start, count, -1);
    if (head > 0) {
      copy(
        program,
        label,
        mode === 'reflect' ? mirrored(head, head) : spread(first, axis, head),
        part(0, head),
      );
    }
    if (tail > 0) {
      const last = sliceOf(done, axis, dim - 1, 1);
      const from = mode === 'reflect' ? mirrored(dim - 2, tail) : spread(last, axis, tail);
      copy(program, label, from, part(head + dim, tail));
    }
    done = grown;
  }
}

const spread = (view: View, axis: number, count: number): View => ({
  ...view,
  dims: view.dims.map((dim, i) => (i === axis ? count : dim)),
  strides: view.strides.map((stride, i) => (i === axis ? 0 : stride)),
});

const tile: Row = (site) => {
  const { low } = site;
  const x = input(site, 0);
  storable(x);
  const repeats = constantInput(site, 1, 'repeats')?.numbers() ?? [];
  const shell = shellOf(site);
  return [
    moved(site, x, shell, (base) => {
      const out = low.allocate({
        ...shell,
        dtype: base.dtype,
        hint: { channelsLast: false },
        ...(base.quant && { quant: base.quant }),
      });
      const split2 = reshaped(
        out,
        x.dims.flatMap((dim, i) => [repeats[i]!, dim]),
      )!;
      const from = low.view(base);
      const source: View = {
        ...{ buffer: from.buffer, offset: from.offset, dims: split2.dims },
        strides: from.strides.flatMap((stride) => [0, stride]),
      };
      copy(low.program, low.label, source, split2);
      return out;
    }),
  ];
};

const rearranged =
  (
    split4: (dims: readonly number[], size: number, crd: boolean) => { dims: number[]; perm: number[] },
  ): Row =>
  (site) => {
    const { low, node } = site;
    const x = input(site, 0);
    storable(x);
    const size = intOf(node, 'blocksize', 1);
    const { dims, perm } = split4(x.dims, size, stringOf(node, 'mode', 'DCR') === 'CRD');
    const shell = shellOf(site);
    return [
      moved(site, x, shell, (base) => {
        const from = permuted(reshaped(low.view(base), dims) ?? reshaped(low.contiguous(base), dims)!, perm);
        const as = reshaped(from, shell.dims);
        if (as !== undefined) return as;
        const out = low.allocate({
          ...shell,
          dtype: base.dtype,
          hint: { channelsLast: false },
          ...(base.quant && { quant: base.quant }),
        });
        copy(low.program, low.label, from, reshaped(out, from.dims)!);
        return out;
      }),
    ];
  };

const depthToSpace = rearranged(([n = 1, c = 1, h = 1, w = 1], size, crd) => {
  const channels = c / (size * size);
  return crd
    ? { dims: [n, channels, size, size, h, w], perm: [0, 1, 4, 2, 5, 3] }
    : { dims: [n, size, size, channels, h, w], perm: [0, 3, 4, 1, 5, 2] };
});

const spaceToDepth = rearranged(([n = 1, c = 1, h = 1, w = 1], size) => ({
  dims: [n, c, h / size, size, w / size, size],
  perm: [0, 3, 5, 1, 2, 4],
}));

const constantRow: Row = (site) => {
  const shell = shellOf(site);
  const attribute = [...site.node.attributes.values()][0];
  if (attribute?.type !== 'tensor') throw unsupported('a Constant that is no tensor');
  return [{ ...shell, constant: attribute.value }];
};

/** What moves numbers about: most of it is a matter of strides, and costs nothing. */
export const MOVE = {
  Reshape: reshape,
  Flatten: reshape,
  Squeeze: reshape,
  Unsqueeze: reshape,
  Identity: same,
  Dropout: dropout,
  Transpose: transpose,
  Slice: slice,
  Split: split,
  Expand: expand,
  Concat: concat,
  Pad: pad,
  Tile: tile,
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
  Constant: constantRow,
} as const satisfies Record<string, Row>;
