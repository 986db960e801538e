import type { Builder } from '../loop/builder.ts';
import type { Expr, Local } from '../loop/ir.ts';
import type { Lanes } from '../loop/lanes.ts';
import type { MathLibrary } from '../loop/math.ts';
import type { Program } from '../plan/program.ts';
import type { View } from '../plan/view.ts';
import { type Axis, joined, walkAll } from './axes.ts';
import { across } from './reduce.ts';

interface Width {
  readonly l: Lanes;
  readonly math: MathLibrary;
}

/** Once for every four elements of a row, then for each that is left; `fill` gets the bytes from the row's start in a pointer. */
function along(
  program: Program,
  b: Builder,
  size: number,
  rows: readonly Expr[],
  fill: (width: Width, pointers: readonly Expr[], offset: number) => void,
): void {
  const wide: Width = { l: program.lanes, math: program.math };
  const narrow: Width = { l: program.one, math: program.mathOne };
  const { width } = program.lanes;
  const whole = Math.floor(size / width);
  b.walk(
    whole,
    rows.map((row) => [row, 4 * width] as const),
    (at) => fill(wide, at, 0),
  );
  for (let i = whole * width; i < size; i++) fill(narrow, rows, 4 * i);
}

/** A sum (or maximum) over a row, in vectors and then in one. */
function gathered(
  program: Program,
  b: Builder,
  size: number,
  row: readonly Expr[],
  start: number,
  join: (l: Lanes, a: Expr, c: Expr) => Expr,
  value: (width: Width, pointers: readonly Expr[], offset: number) => Expr,
): Local {
  const one = b.local('one', program.one.constant(start));
  const four = program.lanes.vector ? b.local('four', program.lanes.constant(start)) : one;
  along(program, b, size, row, (width, at, offset) => {
    const sum = width.l.vector ? four : one;
    b.set(sum, join(width.l, sum, value(width, at, offset)));
  });
  if (program.lanes.vector && size >= 4) {
    b.set(
      one,
      join(
        program.one,
        one,
        b.local(
          'all',
          across(b, program.one, four, (p, q) => join(program.one, p, q)),
        ),
      ),
    );
  }
  return one;
}

/** Rows of the last axis, which lies side by side in x and out: every other axis is walked. */
function overRows(
  b: Builder,
  x: View,
  out: View,
  pointers: readonly Expr[],
  fill: (at: Expr[]) => void,
): void {
  const axes = x.dims.slice(0, -1).map(
    (size, i): Axis => ({
      size,
      steps: [x.strides[i]! * 4, out.strides[i]! * 4, ...pointers.slice(2).map(() => 0)],
    }),
  );
  walkAll(b, joined(axes), pointers, fill);
}

/** e^(x - max) / sum, or its logarithm, along the last axis. */
export function softmax(program: Program, label: string, x: View, out: View, logarithm: boolean): void {
  const size = x.dims.at(-1)!;
  program.kernel(label, logarithm ? 'logsoftmax' : 'softmax', [x, out], (b, pointers) =>
    overRows(b, x, out, pointers, ([from, to]) => {
      const rows = [from!, to!];
      const top = gathered(
        program,
        b,
        size,
        rows,
        Number.NEGATIVE_INFINITY,
        (l, a, c) => l.max(c, a),
        ({ l }, [p], at) => b.local('v', l.load(p!, at)),
      );
      const wide = program.lanes.vector ? b.local('top', program.lanes.splat(top)) : top;
      const topOf = (l: Lanes) => (l.vector ? wide : top);
      const sum = gathered(
        program,
        b,
        size,
        rows,
        0,
        (l, a, c) => l.add(a, c),
        ({ l, math }, [p, q], at) => {
          const shifted = b.local('d', l.sub(l.load(p!, at), topOf(l)));
          const e = b.local('e', math.call('exp', shifted));
          l.store(b, q!, at, logarithm ? shifted : e);
          return e;
        },
      );
      const factor = b.local(
        'f',
        logarithm ? program.mathOne.call('log', sum) : program.one.div(program.one.constant(1), sum),
      );
      const factors = program.lanes.vector ? b.local('fs', program.lanes.splat(factor)) : factor;
      along(program, b, size, [to!], ({ l }, [q], at) => {
        const f = l.vector ? factors : factor;
        const value = l.load(q!, at);
        l.store(b, q!, at, logarithm ? l.sub(value, f) : l.mul(value, f));
      });
    }),
  );
}

/** (x - mean) / sqrt(variance + epsilon) * scale + bias along the last axis. */
export function layerNorm(
  program: Program,
  label: string,
  x: View,
  out: View,
  epsilon: number,
  scale: View,
  bias: View | undefined,
): void {
  const size = x.dims.at(-1)!;
  program.kernel(label, 'layernorm', [x, out, scale, ...(bias ? [bias] : [])], (b, pointers) =>
    overRows(b, x, out, pointers, ([from, to, s, t]) => {
      const { one, lanes } = program;
      const mean = b.local(
        'mean',
        one.mul(
          gathered(
            program,
            b,
            size,
            [from!],
            0,
            (l, a, c) => l.add(a, c),
            ({ l }, [p], at) => l.load(p!, at),
          ),
          one.constant(1 / size),
        ),
      );
      const means = lanes.vector ? b.local('means', lanes.splat(mean)) : mean;
      const squares = gathered(
        program,
        b,
        size,
        [from!],
        0,
        (l, a, c) => l.add(a, c),
        ({ l }, [p], at) => {
          const d = b.local('d', l.sub(l.load(p!, at), l.vector ? means : mean));
          return l.mul(d, d);
        },
      );
      const variance = one.add(one.mul(squares, one.constant(1 / size)), one.constant(epsilon));
      const factor = b.local('f', one.div(one.constant(1), one.sqrt(variance)));
      const factors = lanes.vector ? b.local('fs', lanes.splat(factor)) : factor;
      along(program, b, size, [from!, to!, s!, ...(t ? [t] : [])], ({ l }, [p, q, gain, shift], at) => {
        const normal = l.mul(l.sub(l.load(p!, at), l.vector ? means : mean), l.vector ? factors : factor);
        const scaled = l.mul(normal, l.load(gain!, at));
        l.store(b, q!, at, shift === undefined ? scaled : l.add(scaled, l.load(shift, at)));
      });
    }),
  );
}
