import { fail } from '../../../base/index.ts';
import type { Builder } from '../loop/builder.ts';
import { apply, type Expr, load } from '../loop/ir.ts';
import { type Lanes, storeLanes } from '../loop/lanes.ts';
import type { MathLibrary } from '../loop/math.ts';
import { leavesOf, type Quant, quantHigh, quantLow, type Tree } from '../plan/tree.ts';
import { broadcastTo, elementBytes, STORE_BYTES, sliceOf, type View } from '../plan/view.ts';
import { ELEMENT_OPS } from './element-ops.ts';

/** One operand of a kernel beside its own: how far it moves, in bytes, along each axis of the output. */
export interface Walker {
  readonly view: View;
  readonly steps: readonly number[];
}

/**
 * Where a kernel's numbers go: through the arithmetic of a tree, to a view. The kernel walks the sink's views along its
 * output and hands over numbers; the tree's place for them is its heavy, or nothing where the tree has none.
 */
export class Sink {
  readonly out: View;
  readonly tree: Tree;
  readonly quant: Quant | undefined;
  /** The output first, then what the tree reads, as views of the output's shape. */
  readonly views: readonly View[];

  constructor(out: View, tree: Tree, quant?: Quant) {
    this.out = out;
    this.tree = tree;
    this.quant = quant;
    const leaves = [...new Set(leavesOf(tree))].map((view) => broadcastTo(view, out.dims));
    this.views = [out, ...leaves];
  }

  /** The sink of a part of the output along an axis. */
  slice(axis: number, start: number, count: number): Sink {
    const part = (tree: Tree): Tree => {
      if (tree.kind === 'op') return { ...tree, args: tree.args.map(part) };
      if (tree.kind !== 'leaf') return tree;
      const own = axis - (this.out.dims.length - tree.view.dims.length);
      if (own < 0 || tree.view.dims[own] === 1) return tree;
      return { kind: 'leaf', view: sliceOf(tree.view, own, start, count) };
    };
    return new Sink(sliceOf(this.out, axis, start, count), part(this.tree), this.quant);
  }

  /** Each view with its steps in bytes. */
  walkers(): Walker[] {
    return this.views.map((view) => ({
      view,
      steps: view.strides.map((stride) => stride * elementBytes(view)),
    }));
  }

  /**
   * Puts the numbers of `values.length` vectors that follow each other along `axis`, for pointers moved by `delta` bytes each.
   * `count`: elements that are really there; the rest of the last vector is not written.
   */
  put(
    site: { readonly b: Builder; readonly l: Lanes; readonly math: MathLibrary },
    values: readonly (Expr | undefined)[],
    pointers: readonly Expr[],
    delta: readonly number[],
    axis: number,
    count: number,
  ): void {
    const { b, l } = site;
    const leaves = [...new Set(leavesOf(this.tree))];
    const results = values.map((value, v) => {
      const read = (view: View): Expr => {
        const i = leaves.indexOf(view) + 1;
        const step = this.views[i]!.strides[axis]! * elementBytes(view);
        return loadNumbers(l, view, pointers[i]!, delta[i]! + v * l.width * step, step);
      };
      return evaluate(site, this.tree, value, read);
    });
    if (this.quant !== undefined) {
      putQuantized(b, l, results, this.out, this.quant, pointers[0]!, delta[0]!, count);
      return;
    }
    const store = this.out.buffer.store;
    for (const [v, result] of results.entries()) {
      const left = Math.min(l.width, count - v * l.width);
      const at = delta[0]! + v * l.width * STORE_BYTES[store];
      if (store === 'f32') l.store(b, pointers[0]!, at, result, left);
      else if (store === 'u8' || store === 'i8') putBytes(b, l, result, pointers[0]!, at, left, store);
      else throw fail('INTERNAL', `numbers stored as ${store}`);
    }
  }
}

/** Numbers of a view as floats; `step` is 0 where one number serves all lanes. */
export function loadNumbers(l: Lanes, view: View, base: Expr, offset: number, step: number): Expr {
  const { store } = view.buffer;
  if (store === 'f32') return step === 0 ? l.loadSplat(base, offset) : l.load(base, offset);
  if (store === 'i16') {
    if (!l.vector) return l.fromInt(load('i32.load16_s', base, offset));
    if (step === 0)
      return apply('f32x4.convert_i32x4_s', [apply('i32x4.splat', [load('i32.load16_s', base, offset)])]);
    return apply('f32x4.convert_i32x4_s', [load('i32x4.load16x4_s', base, offset)]);
  }
  if (store === 'u8') {
    if (!l.vector) return l.fromInt(load('i32.load8_u', base, offset));
    if (step === 0)
      return apply('f32x4.convert_i32x4_s', [apply('i32x4.splat', [load('i32.load8_u', base, offset)])]);
    // Eight bytes are read, four are used.
    const wide = apply('i32x4.extend_low_i16x8_s', [load('i16x8.load8x8_u', base, offset)]);
    return apply('f32x4.convert_i32x4_s', [wide]);
  }
  if (!l.vector && store === 'i64') return apply('f32.convert_i64_s', [load('i64.load', base, offset)]);
  if (!l.vector && store === 'i32') return l.fromInt(load('i32.load', base, offset));
  throw fail('INTERNAL', `numbers read from ${store}`);
}

function evaluate(
  site: { readonly b: Builder; readonly l: Lanes; readonly math: MathLibrary },
  tree: Tree,
  value: Expr | undefined,
  read: (view: View) => Expr,
): Expr {
  switch (tree.kind) {
    case 'leaf':
      return read(tree.view);
    case 'constant':
      return site.l.constant(tree.value);
    case 'heavy':
      if (value === undefined) throw fail('INTERNAL', 'a tree waits for a kernel that is not there');
      return value;
    case 'op': {
      const args = tree.args.map((arg) => evaluate(site, arg, value, read));
      return ELEMENT_OPS[tree.op](site, args, tree.parameters);
    }
  }
}

/** v / scale, to the nearest even, within the bounds, as i16 less the zero point. */
function putQuantized(
  b: Builder,
  l: Lanes,
  results: readonly Expr[],
  out: View,
  quant: Quant,
  base: Expr,
  delta: number,
  count: number,
): void {
  const [low, high] = [quantLow(quant), quantHigh(quant)];
  const whole = results.map((result) =>
    l.toInt(l.nearest(quant.scale === 1 ? result : l.div(result, l.constant(quant.scale)))),
  );
  if (out.buffer.store !== 'i16') throw fail('INTERNAL', `quantized numbers stored as ${out.buffer.store}`);
  if (!l.vector) {
    for (const [i, value] of whole.entries()) {
      const held = b.local('q', value);
      const above = apply('select.i32', [
        held,
        intConstant(low),
        apply('i32.gt_s', [held, intConstant(low)]),
      ]);
      const kept = b.local('q', above);
      const within = apply('select.i32', [
        kept,
        intConstant(high),
        apply('i32.lt_s', [kept, intConstant(high)]),
      ]);
      b.store('i32.store16', base, delta + 2 * i, within);
    }
    return;
  }
  for (let i = 0; i < whole.length; i += 2) {
    const first = b.local('q', whole[i]!);
    const second = whole[i + 1] ?? first;
    const narrow = apply('i16x8.narrow_i32x4_s', [first, second]);
    const above = apply('i16x8.max_s', [narrow, shorts(low)]);
    storeLanes(
      b,
      base,
      delta + 8 * i,
      apply('i16x8.min_s', [above, shorts(high)]),
      Math.min(8, count - 4 * i, whole[i + 1] === undefined ? 4 : 8),
      2,
    );
  }
}

const intConstant = (value: number): Expr => ({ kind: 'constant', type: 'i32', value });
const shorts = (value: number): Expr => ({ kind: 'constant', type: 'v128', value, lanes: 'i16x8' });

function putBytes(
  b: Builder,
  l: Lanes,
  result: Expr,
  base: Expr,
  offset: number,
  count: number,
  store: 'u8' | 'i8',
): void {
  const whole = l.toInt(result);
  if (!l.vector) {
    b.store('i32.store8', base, offset, whole);
    return;
  }
  const held = b.local('q', whole);
  const half = apply('i16x8.narrow_i32x4_s', [held, held]);
  storeLanes(
    b,
    base,
    offset,
    apply(store === 'u8' ? 'i8x16.narrow_i16x8_u' : 'i8x16.narrow_i16x8_s', [half, half]),
    count,
    1,
  );
}
