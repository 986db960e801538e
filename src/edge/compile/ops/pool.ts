import { intOf, intsOf, type Node } from '../../../graph/index.ts';
import { Sink } from '../kernels/sink.ts';
import { pool } from '../kernels/windows.ts';
import { unsupported } from '../plan/lowering.ts';
import { constant, leaf, op, type Tree } from '../plan/tree.ts';
import type { Value } from '../plan/value.ts';
import { axesOf, type Geometry, geometryOf, ofRank } from './conv.ts';
import { floatOnly, input, type Row, realOf, type Site, shellOf } from './row.ts';

function poolOf(
  site: Site,
  x: Value,
  shell: Omit<Value, 'tree'>,
  geometry: Geometry,
  kind: 'max' | 'sum',
): Value {
  const { low } = site;
  const { rank } = geometry;
  const fill = kind === 'max' ? 'lowest' : 'zero';
  const view = low.spatial(x, ofRank(geometry.before, rank), ofRank(geometry.after, rank), fill);
  const out: [number, number] = rank === 1 ? [1, shell.dims[2]!] : [shell.dims[2]!, shell.dims[3]!];
  const label = low.label;
  return low.heavy(shell, 1, (sink) =>
    pool(low.program, label, { ...geometry, x: view, out, axes: axesOf(rank) }, kind, sink),
  );
}

function kernelOf(node: Node): number[] {
  const kernel = intsOf(node, 'kernel_shape');
  if (kernel === undefined) throw unsupported('a pool without a kernel shape');
  return kernel;
}

/** The largest of a quantized window is one of its numbers: it needs no other form. */
function largest(site: Site, x: Value, shell: Omit<Value, 'tree'>, geometry: Geometry): Value {
  const base = x.real ?? x;
  if (base.quant === undefined) {
    floatOnly(x);
    return poolOf(site, x, shell, geometry, 'max');
  }
  const whole: Value = { ...shell, dtype: base.dtype, quant: base.quant };
  const made = poolOf(site, base, whole, geometry, 'max');
  const view = site.low.allocate(whole);
  // Numbers less their zero point come out as they went in: the scale is 1.
  const { tree } = made;
  if (tree?.kind !== 'heavy') throw unsupported('a pool');
  tree.heavy.emit(new Sink(view, tree, { ...base.quant, scale: 1 }));
  const quantized: Value = { ...whole, view };
  return x.real === undefined ? quantized : realOf(site.low, quantized, shell);
}

const maxPool: Row = (site) => {
  const { node } = site;
  const x = input(site, 0);
  if (node.outputs[1] !== undefined && node.outputs[1] !== '') throw unsupported('the indices of a MaxPool');
  const shell = shellOf(site);
  return [largest(site, x, shell, geometryOf(node, kernelOf(node), x.dims.slice(2), shell.dims.slice(2)))];
};

/** How many real elements (or padded ones, where these count) each window along one axis holds. */
function counts(
  size: number,
  out: number,
  kernel: number,
  stride: number,
  dilation: number,
  pads: [number, number],
  padded: boolean,
): number[] {
  const [before, after] = pads;
  return Array.from({ length: out }, (_, o) => {
    let count = 0;
    for (let k = 0; k < kernel; k++) {
      const at = o * stride - before + k * dilation;
      if (padded ? at >= -before && at < size + after : at >= 0 && at < size) count += 1;
    }
    return count;
  });
}

const averagePool: Row = (site) => {
  const { low, node } = site;
  const x = input(site, 0);
  floatOnly(x);
  const shell = shellOf(site);
  const kernel = kernelOf(node);
  const geometry = geometryOf(node, kernel, x.dims.slice(2), shell.dims.slice(2));
  const padded = intOf(node, 'count_include_pad', 0) !== 0;
  const auto = node.attributes.get('auto_pad') === undefined || intsOf(node, 'pads') !== undefined;
  const given = intsOf(node, 'pads');
  const per = kernel.map((size, i) =>
    counts(
      ...([x.dims[i + 2]!, shell.dims[i + 2]!, size] as const),
      ...([
        ofRank(geometry.strides, geometry.rank)[i]!,
        ofRank(geometry.dilations, geometry.rank)[i]!,
      ] as const),
      [
        ofRank(geometry.before, geometry.rank)[i]!,
        auto && given !== undefined ? given[i + kernel.length]! : ofRank(geometry.after, geometry.rank)[i]!,
      ],
      padded,
    ),
  );
  const made = poolOf(site, x, low.inner(shell.dims, { hint: shell.hint }), geometry, 'sum');
  return [{ ...shell, tree: op('mul', [made.tree!, reciprocals(site, per)]) }];
};

function reciprocals({ low }: Site, per: readonly (readonly number[])[]): Tree {
  const first = per.reduce((product, [count = 1]) => product * count, 1);
  if (per.every((counted) => counted.every((count) => count === counted[0]))) return constant(1 / first);
  const dims = [1, 1, ...per.map((counted) => counted.length)];
  const table = per.reduce<number[]>(
    (all, counted) => all.flatMap((a) => counted.map((count) => a * count)),
    [1],
  );
  return leaf(
    low.program.floats(
      `${low.label} counts`,
      dims,
      Float32Array.from(table, (count) => 1 / count),
    ),
  );
}

function whole(x: Value): Geometry {
  const rank = x.dims.length - 2;
  if (rank < 1 || rank > 2) throw unsupported(`a pool over ${rank} spatial axes`);
  const kernel: [number, number] = rank === 1 ? [1, x.dims[2]!] : [x.dims[2]!, x.dims[3]!];
  return { kernel, strides: [1, 1], dilations: [1, 1], before: [0, 0], after: [0, 0], rank };
}

const globalAverage: Row = (site) => {
  const x = input(site, 0);
  floatOnly(x);
  const geometry = whole(x);
  const shell = shellOf(site);
  const made = poolOf(site, x, site.low.inner(shell.dims, { hint: shell.hint }), geometry, 'sum');
  return [
    { ...shell, tree: op('mul', [made.tree!, constant(1 / (geometry.kernel[0] * geometry.kernel[1]))]) },
  ];
};

const globalMax: Row = (site) => {
  const x = input(site, 0);
  return [largest(site, x, shellOf(site), whole(x))];
};

/** Windows without weights. */
export const POOL = {
  MaxPool: maxPool,
  AveragePool: averagePool,
  GlobalAveragePool: globalAverage,
  GlobalMaxPool: globalMax,
} as const satisfies Record<string, Row>;
