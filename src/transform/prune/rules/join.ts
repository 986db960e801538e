import { attr, intOf, intsOf, Tensor } from '../../../graph/index.ts';
import { axisOf, type CutSite, type PruneRule, type TraceSite } from '../rule.ts';
import type { Axis } from '../terms.ts';

/** Pieces after each other: the index at an offset goes with that of its piece. */
const concat: PruneRule = {
  trace(site) {
    const rank = site.made(0).length;
    const at = axisOf(intOf(site.node, 'axis', 1), rank);
    const inputs = site.node.inputs.map((_, i) => i);
    const made = Array.from({ length: rank }, (_, axis): Axis => {
      if (axis === at) return joined(site, inputs, at);
      const [first = '', ...rest] = inputs.map((i) => site.axes(i)[axis]!);
      for (const other of rest) site.tie(first, other);
      return [first, ...rest].find((one) => typeof one !== 'string') ?? first;
    });
    site.set(0, made);
  },
};

function joined(site: TraceSite, inputs: readonly number[], at: number): Axis {
  const parts = inputs.map((i) => ({ axis: site.axes(i)[at]!, size: site.shape(i)[at] }));
  const fixed = parts.find(({ axis }) => typeof axis === 'string')?.axis;
  if (parts.every(({ axis }) => typeof axis === 'string')) return fixed!;
  if (parts.some(({ size }) => typeof size !== 'number')) {
    for (const { axis } of parts) site.pin(axis, `is joined with a piece of unknown size by ${site.label}`);
    return `is of unknown size at ${site.label}`;
  }
  return Int32Array.from(
    parts.flatMap(({ axis, size }) => {
      if (typeof axis !== 'string') return [...axis];
      const stays = site.fresh(size as number);
      site.pin(stays, axis);
      return [...(stays as Int32Array)];
    }),
  );
}

const split: PruneRule = {
  trace(site) {
    const axes = site.axes(0);
    const at = axisOf(intOf(site.node, 'axis', 0), axes.length);
    const sizes = site.node.outputs.map((_, i) => site.made(i)[at]);
    const whole = axes[at]!;
    const known = sizes.every((size) => typeof size === 'number');
    if (!known) site.pin(whole, `is split into pieces of unknown size by ${site.label}`);
    let offset = 0;
    for (const [i, size] of sizes.entries()) {
      const piece =
        known && typeof whole !== 'string'
          ? whole.subarray(offset, offset + (size as number))
          : `is split by ${site.label}`;
      offset += size as number;
      if (site.node.outputs[i] !== '') site.set(i, axes.with(at, piece));
    }
  },
  cut(site) {
    const { node, opset, before, after } = site;
    const input = node.inputs[0]!;
    const at = axisOf(intOf(node, 'axis', 0), before(input).length);
    if (before(input)[at] === after(input)[at]) return;
    const sizes = node.outputs.map((output) => after(output)[at] as number);
    node.attributes.delete('num_outputs');
    if (opset < 13) node.attributes.set('split', attr.ints(sizes));
    else site.setInput(1, Tensor.int64([sizes.length], sizes));
  },
};

interface Range {
  readonly axis: number;
  readonly start: number | undefined;
  readonly end: number | undefined;
  readonly step: number;
}

/** The ranges of a Slice as they are written; undefined where not even the axes are known. */
function rangesOf(
  site: Pick<TraceSite, 'node' | 'opset' | 'constant'>,
  rank: number,
  count: number | undefined,
): Range[] | undefined {
  const listed = (name: string, input: number) =>
    site.opset < 10 ? intsOf(site.node, name) : site.constant(input)?.numbers();
  const [starts, ends] = [listed('starts', 1), listed('ends', 2)];
  const length = starts?.length ?? ends?.length ?? count;
  const given = site.opset < 10 ? site.node.attributes.has('axes') : Boolean(site.node.inputs[3]);
  const axes = given ? listed('axes', 3) : Array.from({ length: length ?? 0 }, (_, i) => i);
  const steps = site.opset >= 10 && site.node.inputs[4] ? site.constant(4)?.numbers() : axes?.map(() => 1);
  if (length === undefined || axes === undefined || steps === undefined) return undefined;
  return axes.map((axis, i) => ({
    axis: axisOf(axis, rank),
    start: starts?.[i],
    end: ends?.[i],
    step: steps[i]!,
  }));
}

function clamped(value: number, size: number): number {
  return Math.min(size, Math.max(0, value < 0 ? value + size : value));
}

const slice: PruneRule = {
  trace(site) {
    const axes = [...site.axes(0)];
    const count = site.opset < 10 ? undefined : site.shape(1)[0];
    const ranges = rangesOf(site, axes.length, typeof count === 'number' ? count : undefined);
    if (ranges === undefined) {
      site.opaque('slices axes that are not known');
      return;
    }
    for (const { axis, start, end, step } of ranges) {
      const whole = axes[axis]!;
      if (typeof whole === 'string') continue;
      if (start === undefined || end === undefined || step !== 1) {
        site.pin(whole, `is sliced in a way that cannot be followed by ${site.label}`);
        axes[axis] = `is sliced by ${site.label}`;
      } else axes[axis] = whole.subarray(clamped(start, whole.length), clamped(end, whole.length));
    }
    site.set(0, axes);
  },
  cut(site) {
    const { node, before, after } = site;
    const input = node.inputs[0]!;
    const shape = before(input);
    const ranges = rangesOf(site, shape.length, site.opset < 10 ? undefined : 0) ?? [];
    if (ranges.every(({ axis }) => shape[axis] === after(input)[axis])) return;
    const moved = ranges.map(({ axis, start = 0, end = 0 }) => {
      const size = shape[axis];
      if (typeof size !== 'number' || size === after(input)[axis]) return { start, end };
      const [from, to] = [clamped(start, size), clamped(end, size)];
      const first = site.kept(input, axis, 0, from);
      return { start: first, end: first + site.kept(input, axis, from, to) };
    });
    const lists = { starts: moved.map(({ start }) => start), ends: moved.map(({ end }) => end) };
    for (const [i, name] of (['starts', 'ends'] as const).entries()) {
      if (site.opset < 10) node.attributes.set(name, attr.ints(lists[name]));
      else site.setInput(i + 1, like(site, i + 1, lists[name]));
    }
  },
};

/** Integers of the dtype that the input has: starts, ends, axes and steps share one. */
function like(site: CutSite, input: number, values: readonly number[]): Tensor {
  return site.constant(input)?.dtype === 'int32'
    ? Tensor.of('int32', [values.length], Int32Array.from(values))
    : Tensor.int64([values.length], values);
}

/** Rows of a table: the table keeps its rows, and its other axes pass. */
const gather: PruneRule = {
  trace(site) {
    const data = site.axes(0);
    const at = axisOf(intOf(site.node, 'axis', 0), data.length);
    site.pin(data[at]!, `is looked up by ${site.label}`);
    site.set(0, [...data.slice(0, at), ...site.axes(1), ...data.slice(at + 1)]);
  },
};

/** Ops that join, part and pick. */
export const JOINS = {
  Concat: concat,
  Split: split,
  Slice: slice,
  Gather: gather,
} as const satisfies Record<string, PruneRule>;
