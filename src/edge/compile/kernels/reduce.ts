import type { Builder } from '../loop/builder.ts';
import { apply, type Expr, type Local } from '../loop/ir.ts';
import type { Lanes } from '../loop/lanes.ts';
import type { Program } from '../plan/program.ts';
import { elementBytes, type View } from '../plan/view.ts';
import { type Axis, joined, walkAll } from './axes.ts';
import { loadNumbers, type Sink } from './sink.ts';

export type Reduction = 'sum' | 'max' | 'min' | 'prod' | 'sumAbs' | 'sumSquare';

const START = {
  sum: 0,
  sumAbs: 0,
  sumSquare: 0,
  prod: 1,
  max: Number.NEGATIVE_INFINITY,
  min: Number.POSITIVE_INFINITY,
};

function step(l: Lanes, kind: Reduction, sum: Expr, value: Expr): Expr {
  if (kind === 'max') return l.max(value, sum);
  if (kind === 'min') return l.min(value, sum);
  if (kind === 'prod') return l.mul(sum, value);
  if (kind === 'sumAbs') return l.add(sum, l.abs(value));
  return l.add(sum, value);
}

/** How two partial results become one. */
const merge = (l: Lanes, kind: Reduction, a: Expr, b: Expr): Expr =>
  kind === 'sumAbs' || kind === 'sumSquare' ? l.add(a, b) : step(l, kind, a, b);

/** The four lanes of a vector as one scalar. */
export function across(b: Builder, one: Lanes, vector: Local, join: (a: Expr, c: Expr) => Expr): Expr {
  const lane = (i: number) => b.local('lane', apply('f32x4.extract_lane', [vector], { lane: i }));
  const [l0, l1, l2, l3] = [lane(0), lane(1), lane(2), lane(3)];
  const [low, high] = [b.local('half', join(l0, l1)), b.local('half', join(l2, l3))];
  return one.vector ? low : join(low, high);
}

/** Sums (or the like) of x over some of its axes; the output has size 1 there. */
export function reduce(
  program: Program,
  label: string,
  x: View,
  axes: readonly number[],
  kind: Reduction,
  sink: Sink,
): void {
  const size = elementBytes(x);
  const walkers = sink.walkers();
  const kept = x.dims.map((_, axis) => axis).filter((axis) => !axes.includes(axis) && x.dims[axis]! > 1);
  kept.sort((p, q) => sink.out.strides[q]! - sink.out.strides[p]!);
  const outer = joined(
    kept.map(
      (axis): Axis => ({
        size: x.dims[axis]!,
        steps: [x.strides[axis]! * size, ...walkers.map(({ steps }) => steps[axis]!)],
      }),
    ),
  );
  const inner = joined(
    [...axes]
      .sort((p, q) => x.strides[q]! - x.strides[p]!)
      .map((axis): Axis => ({ size: x.dims[axis]!, steps: [x.strides[axis]! * size] })),
  );
  const axis = kept.at(-1) ?? 0;
  const last = outer.at(-1);
  const beside =
    last !== undefined &&
    last.size > 1 &&
    last.steps[0] === size &&
    walkers.every(
      ({ view }, i) => last.steps[i + 1] === elementBytes(view) || (i > 0 && last.steps[i + 1] === 0),
    );
  const run = inner.at(-1);
  const within = !beside && run !== undefined && run.steps[0] === size && run.size >= 8;
  const { vector } = program.lanes;
  program.kernel(label, `reduce_${kind}`, [x, ...sink.views], (b, pointers) => {
    const zero = sink.views.map(() => 0);
    const term = (l: Lanes, sum: Local, at: Expr, offset = 0) => {
      const value = b.local('v', loadNumbers(l, x, at, offset, size));
      b.set(sum, step(l, kind, sum, kind === 'sumSquare' ? l.mul(value, value) : value));
    };
    if (beside && vector) {
      const { lanes: l, math } = program;
      const whole = Math.floor(last.size / l.width);
      const rest = last.size - whole * l.width;
      walkAll(b, outer.slice(0, -1), pointers, (row) => {
        const one = (at: readonly Expr[], count: number) => {
          const sum = b.local('sum', l.constant(START[kind]));
          walkAll(b, inner, [at[0]!], ([p]) => term(l, sum, p!));
          sink.put({ b, l, math }, [sum], at.slice(1), zero, axis, count);
        };
        let ends: readonly Expr[] = row;
        const steps = last.steps.map((own) => own * l.width);
        b.walk(
          whole,
          row.map((p, i) => [p, steps[i]!] as const),
          (at) => {
            one(at, l.width);
            ends = at;
          },
        );
        const moved = (p: Expr, i: number): Expr =>
          steps[i] === 0 || whole === 0
            ? p
            : apply('i32.add', [p, { kind: 'constant', type: 'i32', value: steps[i]! * whole }]);
        if (rest > 0) one(whole > 1 ? ends : row.map(moved), rest);
      });
      return;
    }
    const [l, math] = [program.one, program.mathOne];
    walkAll(b, outer, pointers, (at) => {
      const sum = b.local('sum', l.constant(START[kind]));
      if (within && vector) {
        const wide = program.lanes;
        const whole = Math.floor(run.size / 4);
        const four = b.local('four', wide.constant(START[kind]));
        walkAll(b, inner.slice(0, -1), [at[0]!], ([row]) => {
          b.walk(whole, [[row!, 4 * size]], ([p]) => term(wide, four, p!));
          for (let i = whole * 4; i < run.size; i++) term(l, sum, row!, i * size);
        });
        const all = across(b, l, four, (p, q) => merge(l, kind, p, q));
        b.set(sum, merge(l, kind, sum, b.local('all', all)));
      } else walkAll(b, inner, [at[0]!], ([p]) => term(l, sum, p!));
      sink.put({ b, l, math }, [sum], at.slice(1), zero, axis, 1);
    });
  });
}
