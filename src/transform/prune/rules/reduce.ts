import { intOf, intsOf, Tensor } from '../../../graph/index.ts';
import { axisOf, type CutSite, type PruneRule, type TraceSite } from '../rule.ts';
import type { Axis } from '../terms.ts';

/** Puts what remains of each axis behind a reduction over `gone`. */
function reducedAxes(site: TraceSite, gone: readonly number[], touch: (axis: Axis) => void): void {
  const keep = intOf(site.node, 'keepdims', 1) !== 0;
  const made: Axis[] = [];
  for (const [i, axis] of site.axes(0).entries()) {
    if (!gone.includes(i)) made.push(axis);
    else {
      touch(axis);
      if (keep) made.push(`is of size one at ${site.label}`);
    }
  }
  site.set(0, made);
}

/** `sums`: what a cut index carried is missing from the result, and nothing else; the others choose among all. */
function reduction(sums: boolean): PruneRule {
  return {
    trace(site) {
      const rank = site.axes(0).length;
      const given = intsOf(site.node, 'axes') ?? (site.has(1) ? site.constant(1)?.numbers() : []);
      if (given === undefined) {
        site.opaque('reduces axes that are not known');
        return;
      }
      if (given.length === 0 && intOf(site.node, 'noop_with_empty_axes', 0) !== 0) {
        site.set(0, site.axes(0));
        return;
      }
      const all = given.length === 0 ? Array.from({ length: rank }, (_, i) => i) : given;
      reducedAxes(
        site,
        all.map((axis) => axisOf(axis, rank)),
        (axis) =>
          sums
            ? site.mix(axis, `${site.label} reduces over it`)
            : site.pin(axis, `is reduced over by ${site.label}`),
      );
    },
  };
}

/** A sum that is divided by the number of its terms is a mean: the number is written anew. Axes that go are never symbolic. */
function recount(site: CutSite): void {
  const { node, before, after } = site;
  const x = node.inputs[0]!;
  const kept = intOf(node, 'keepdims', 1) !== 0 ? before(node.outputs[0]!) : undefined;
  let [was, is] = [1, 1];
  for (const [axis, dim] of before(x).entries()) {
    const left = after(x)[axis]!;
    // Without keepdims the axis that shrinks must be the only one that can be counted.
    const reduced = kept === undefined ? dim !== left : kept[axis] === 1;
    if (!reduced || typeof dim !== 'number') continue;
    was *= dim;
    is *= left as number;
  }
  if (was === is) return;
  for (const { node: reader, input, constant } of site.readers(node.outputs[0]!)) {
    if (constant.dtype !== 'float32' || constant.size !== 1) continue;
    const value = constant.as('float32')[0]!;
    const near = (wanted: number) => Math.abs(value / wanted - 1) < 1e-5;
    if (reader.op === 'Mul' && near(1 / was))
      site.setInput(input, Tensor.float32(constant.dims, [1 / is]), reader);
    if (reader.op === 'Div' && input === 1 && near(was)) {
      site.setInput(input, Tensor.float32(constant.dims, [is]), reader);
    }
  }
}

const arg: PruneRule = {
  trace(site) {
    const at = axisOf(intOf(site.node, 'axis', 0), site.axes(0).length);
    reducedAxes(site, [at], (axis) => site.pin(axis, `is searched by ${site.label}`));
  },
};

/** Along one axis all elements depend on each other; the others pass. */
function along(axisInput: number | undefined, absent: number): PruneRule {
  return {
    trace(site) {
      const axes = site.axes(0);
      const given =
        axisInput === undefined ? intOf(site.node, 'axis', absent) : site.constant(axisInput)?.numbers()[0];
      if (given === undefined) {
        site.opaque('runs along an axis that is not known');
        return;
      }
      const at = axisOf(given, axes.length);
      site.pin(axes[at]!, `depends on its order in ${site.label}`);
      const why = `is made by ${site.label}`;
      for (const [i, name] of site.node.outputs.entries()) if (name !== '') site.set(i, axes.with(at, why));
    },
  };
}

/** A triangle of the last two axes. */
const triangle: PruneRule = {
  trace(site) {
    for (const axis of site.axes(0).slice(-2)) site.pin(axis, `lies across the diagonal of ${site.label}`);
    site.set(0, site.axes(0));
  },
};

/** Axes of size one are repeated, the others pass. */
const expand: PruneRule = {
  trace(site) {
    const [shape, made, axes] = [site.shape(0), site.made(0), site.axes(0)];
    const fixed = site.constant(1) === undefined;
    site.set(
      0,
      made.map((dim, i): Axis => {
        const own = i - made.length + shape.length;
        if (own < 0 || shape[own] !== dim || dim === 1) return `is repeated by ${site.label}`;
        if (fixed) site.pin(axes[own]!, `has its size computed for ${site.label}`);
        return axes[own]!;
      }),
    );
  },
  cut(site) {
    const { node, before, after } = site;
    const [was, is] = [before(node.outputs[0]!), after(node.outputs[0]!)];
    if (was.every((dim, i) => dim === is[i])) return;
    // A one takes the size of the input.
    const sizes = site.constant(1)!.numbers();
    const skipped = was.length - sizes.length;
    site.setInput(
      1,
      Tensor.int64(
        [sizes.length],
        sizes.map((size, i) => (was[skipped + i] === is[skipped + i] ? size : 1)),
      ),
    );
  },
};

const tile: PruneRule = {
  trace(site) {
    const repeats = site.constant(1)?.numbers();
    site.set(
      0,
      site.axes(0).map((axis, i): Axis => {
        if (repeats?.[i] === 1) return axis;
        site.pin(axis, `is repeated by ${site.label}`);
        return `is repeated by ${site.label}`;
      }),
    );
  },
};

/** Ops that look along axes. */
export const REDUCTIONS = {
  ReduceSum: { ...reduction(true), cut: recount },
  ReduceMean: reduction(true),
  ReduceSumSquare: { ...reduction(true), cut: recount },
  ReduceL1: reduction(true),
  ReduceL2: reduction(true),
  ReduceMax: reduction(false),
  ReduceMin: reduction(false),
  ReduceProd: reduction(false),
  ReduceLogSum: reduction(false),
  ReduceLogSumExp: reduction(false),
  ArgMax: arg,
  ArgMin: arg,
  CumSum: along(1, 0),
  LRN: along(undefined, 1),
  Trilu: triangle,
  Expand: expand,
  Tile: tile,
} as const satisfies Record<string, PruneRule>;
