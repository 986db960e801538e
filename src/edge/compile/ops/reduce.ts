import { floatOf, intOf, intsOf } from '../../../graph/index.ts';
import { copy, elementwise } from '../kernels/elementwise.ts';
import { type Reduction, reduce } from '../kernels/reduce.ts';
import { layerNorm, softmax } from '../kernels/rows.ts';
import { Sink } from '../kernels/sink.ts';
import { unsupported } from '../plan/lowering.ts';
import { constant, leaf, op, type Tree } from '../plan/tree.ts';
import type { Value } from '../plan/value.ts';
import { permuted, reshaped, type View } from '../plan/view.ts';
import { axisOf, constantInput, floatOnly, input, type Row, type Site, shellOf } from './row.ts';

const reduction =
  (kind: Reduction, after: (tree: Tree, count: number) => Tree = (tree) => tree): Row =>
  (site) => {
    const { low, node } = site;
    const x = input(site, 0);
    floatOnly(x);
    const given = intsOf(node, 'axes') ?? constantInput(site, 1, 'axes')?.numbers();
    const rank = x.dims.length;
    const all = given === undefined || given.length === 0;
    if (all && intOf(node, 'noop_with_empty_axes', 0) !== 0)
      return [{ ...shellOf(site), tree: op('identity', [low.tree(x)]) }];
    const axes = all ? x.dims.map((_, i) => i) : given.map((axis) => axisOf(axis, rank));
    const shell = shellOf(site);
    const count = axes.reduce((product, axis) => product * x.dims[axis]!, 1);
    const dims = x.dims.map((dim, i) => (axes.includes(i) ? 1 : dim));
    const view = low.view(x);
    const label = low.label;
    const keep = intOf(node, 'keepdims', 1) !== 0;
    const hint = keep ? shell.hint : { channelsLast: false };
    const axis = rank >= 3 && !axes.includes(1) && hint.channelsLast ? 1 : rank - 1;
    const made = low.heavy(low.inner(dims, { hint }), axis, (sink) =>
      reduce(low.program, label, view, axes, kind, sink),
    );
    const tree = after(made.tree!, count);
    if (keep) return [{ ...shell, tree }];
    const whole = low.inner(dims, { tree });
    return [{ ...shell, view: reshaped(low.view(whole), shell.dims) }];
  };

/** The value with the given axis last and side by side, and where the answer belongs. */
function rowsOf({ low }: Site, x: Value, axis: number): { from: View; perm: number[] } {
  const perm = [...x.dims.map((_, i) => i).filter((i) => i !== axis), axis];
  const view = permuted(low.view(x), perm);
  if (view.strides.at(-1) === 1 || view.dims.at(-1) === 1) return { from: view, perm };
  const plain = low.program.plain(`${x.name} rows`, 'f32', view.dims);
  copy(low.program, low.label, view, plain);
  return { from: plain, perm };
}

const softmaxRow =
  (logarithm: boolean): Row =>
  (site) => {
    const { low, node } = site;
    const x = input(site, 0);
    floatOnly(x);
    const shell = shellOf(site);
    const rank = x.dims.length;
    // Before opset 13 all axes from this one on were one row.
    const flat = low.opset < 13;
    const axis = axisOf(intOf(node, 'axis', flat ? 1 : -1), rank);
    const label = low.label;
    if (flat && axis < rank - 1) {
      const lead = x.dims.slice(0, axis).reduce((product, dim) => product * dim, 1);
      const size = x.dims.slice(axis).reduce((product, dim) => product * dim, 1);
      const from = reshaped(low.contiguous(x), [lead, size])!;
      const out = low.program.plain(`${x.name} rows`, 'f32', [lead, size]);
      softmax(low.program, label, from, out, logarithm);
      return [{ ...shell, view: reshaped(out, shell.dims)! }];
    }
    const { from, perm } = rowsOf(site, x, axis);
    return [
      low.heavy(shell, rank - 1, (sink) => {
        const to = permuted(sink.out, perm);
        const bare = sink.tree.kind === 'heavy' && sink.quant === undefined;
        if (bare && sink.out.buffer.store === 'f32' && (to.strides.at(-1) === 1 || to.dims.at(-1) === 1)) {
          softmax(low.program, label, from, to, logarithm);
          return;
        }
        const temporary = low.program.plain(`${x.name} rows`, 'f32', from.dims);
        softmax(low.program, label, from, temporary, logarithm);
        const back = perm.map((_, i) => perm.indexOf(i));
        elementwise(
          low.program,
          label,
          new Sink(sink.out, withLeaf(sink.tree, permuted(temporary, back)), sink.quant),
        );
      }),
    ];
  };

/** The tree of a sink with its kernel's numbers read from memory. */
function withLeaf(tree: Tree, view: View): Tree {
  if (tree.kind === 'heavy') return leaf(view);
  return tree.kind === 'op' ? { ...tree, args: tree.args.map((arg) => withLeaf(arg, view)) } : tree;
}

const layerNormRow: Row = (site) => {
  const { low, node } = site;
  const x = input(site, 0);
  floatOnly(x);
  if (node.outputs.slice(1).some((name) => name !== ''))
    throw unsupported('the mean of a LayerNormalization');
  const axis = axisOf(intOf(node, 'axis', -1), x.dims.length);
  const lead = x.dims.slice(0, axis);
  const size = x.dims.slice(axis).reduce((product, dim) => product * dim, 1);
  const side = (i: number): View | undefined => {
    const value = site.inputs[i];
    if (value === undefined) return undefined;
    if (value.dims.reduce((product, dim) => product * dim, 1) === size)
      return reshaped(low.contiguous(value), [size])!;
    const wide = low.program.plain(`${value.name} wide`, 'f32', x.dims.slice(axis));
    copy(low.program, low.label, low.view(value), wide);
    return reshaped(wide, [size])!;
  };
  const [scale, bias] = [side(1)!, side(2)];
  const from = reshaped(low.contiguous(x), [...lead, size])!;
  const out = low.program.plain(shellOf(site).name, 'f32', [...lead, size]);
  layerNorm(low.program, low.label, from, out, floatOf(node, 'epsilon', 1e-5), scale, bias);
  const shell = shellOf(site);
  return [{ ...shell, view: reshaped(out, shell.dims)! }];
};

/** Sums over axes, and what is made of them. */
export const REDUCE = {
  ReduceSum: reduction('sum'),
  ReduceMean: reduction('sum', (tree, count) => op('mul', [tree, constant(1 / count)])),
  ReduceMax: reduction('max'),
  ReduceMin: reduction('min'),
  ReduceProd: reduction('prod'),
  ReduceL1: reduction('sumAbs'),
  ReduceL2: reduction('sumSquare', (tree) => op('sqrt', [tree])),
  ReduceSumSquare: reduction('sumSquare'),
  ReduceLogSum: reduction('sum', (tree) => op('log', [tree])),
  Softmax: softmaxRow(false),
  LogSoftmax: softmaxRow(true),
  LayerNormalization: layerNormRow,
} as const satisfies Record<string, Row>;
