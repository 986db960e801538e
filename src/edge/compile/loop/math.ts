import { Builder } from './builder.ts';
import { call, type Expr, type Local, type LoopFunction } from './ir.ts';
import type { Lanes } from './lanes.ts';

/*
 * Functions that WebAssembly has no instruction for, as polynomials in float32. Errors are a few units in the last place
 * unless said otherwise (math.test.ts holds them to it).
 */

const LN2_HIGH = 0.693359375;
const LN2_LOW = -2.1219444e-4;

/** x^n with n from high to low, by Horner. */
function polynomial(l: Lanes, x: Expr, coefficients: readonly number[]): Expr {
  return coefficients
    .slice(1)
    .reduce<Expr>((sum, c) => l.add(l.mul(sum, x), l.constant(c)), l.constant(coefficients[0]!));
}

/** e^x: reduced to |r| <= ln2/2 and a power of two. Below -87.3 it gives 0, above 88.7 infinity. */
function exp(b: Builder, l: Lanes, x: Local): Expr {
  const held = b.local('x', l.min(l.max(x, l.constant(-87.3)), l.constant(88.7)));
  const n = b.local('n', l.nearest(l.mul(held, l.constant(Math.LOG2E))));
  const r = b.local('r', l.sub(l.sub(held, l.mul(n, l.constant(LN2_HIGH))), l.mul(n, l.constant(LN2_LOW))));
  const tail = polynomial(
    l,
    r,
    [1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 0.5],
  );
  const value = b.local('v', l.add(l.add(l.mul(l.mul(tail, r), r), r), l.constant(1)));
  // n is 128 at most: two steps of half the power keep the exponent within its bits.
  const half = b.local('h', l.shr(l.toInt(n), 1));
  const power = (of: Expr) => l.ofBits(l.shl(l.iadd(of, l.int(127)), 23));
  const scaled = l.mul(l.mul(value, power(half)), power(l.isub(l.toInt(n), half)));
  const low = l.select(l.lt(x, l.constant(-87.3)), l.constant(0), scaled);
  return l.select(l.lt(l.constant(88.72283), x), l.constant(Number.POSITIVE_INFINITY), low);
}

/** ln x: mantissa in [sqrt(1/2), sqrt 2). Of 0 it is -infinity, of what is negative NaN. */
function log(b: Builder, l: Lanes, x: Local): Expr {
  // Subnormal numbers have no leading one: scaled up by 2^23.
  const tiny = b.local('tiny', l.select(l.lt(x, l.constant(2 ** -126)), l.constant(2 ** 23), l.constant(1)));
  const bits = b.local('bits', l.bits(l.mul(x, tiny)));
  const raw = l.isub(l.bitAnd(l.shr(bits, 23), l.int(255)), l.int(126));
  const m = b.local('m', l.ofBits(l.bitOr(l.bitAnd(bits, l.int(0x7fffff)), l.int(0x3f000000))));
  const small = b.local('s', l.select(l.lt(m, l.constant(Math.SQRT1_2)), l.constant(1), l.constant(0)));
  const shift = l.select(l.lt(l.constant(1), tiny), l.constant(23), l.constant(0));
  const e = b.local('e', l.sub(l.sub(l.fromInt(raw), small), shift));
  const f = b.local('f', l.sub(l.add(m, l.mul(m, small)), l.constant(1)));
  const z = b.local('z', l.mul(f, f));
  const p = polynomial(
    l,
    f,
    [
      7.0376836292e-2, -1.151461031e-1, 1.167699874e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
      2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
    ],
  );
  const y = l.add(l.mul(l.mul(p, f), z), l.mul(e, l.constant(LN2_LOW)));
  const rest = l.add(f, l.sub(y, l.mul(z, l.constant(0.5))));
  const value = l.add(rest, l.mul(e, l.constant(LN2_HIGH)));
  const infinite = l.select(l.eq(x, l.constant(Number.POSITIVE_INFINITY)), x, value);
  const zero = l.select(l.eq(x, l.constant(0)), l.constant(Number.NEGATIVE_INFINITY), infinite);
  // Not (x >= 0): negative, or NaN.
  return l.select(l.le(l.constant(0), x), zero, l.constant(Number.NaN));
}

/** A quotient of polynomials in x^2, times x: for odd functions that saturate beyond `bound`. */
function rational(
  b: Builder,
  l: Lanes,
  x: Local,
  bound: number,
  above: readonly number[],
  below: readonly number[],
): Expr {
  const held = b.local('x', l.min(l.max(x, l.constant(-bound)), l.constant(bound)));
  const square = b.local('q', l.mul(held, held));
  return l.div(l.mul(polynomial(l, square, above), held), polynomial(l, square, below));
}

function tanh(b: Builder, l: Lanes, x: Local): Expr {
  const value = rational(
    b,
    l,
    x,
    7.905311107635498,
    [
      -2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-8,
      1.48572235717979e-5, 6.37261928875436e-4, 4.89352455891786e-3,
    ],
    [1.19825839466702e-6, 1.18534705686654e-4, 2.268434632439e-3, 4.89352518554385e-3],
  );
  return l.select(l.lt(l.abs(x), l.constant(4e-4)), x, value);
}

/** Within 4e-7 of the truth. */
function erf(b: Builder, l: Lanes, x: Local): Expr {
  return rational(
    b,
    l,
    x,
    4,
    [
      -2.72614225801306e-10, 2.77068142495902e-8, -2.10102402082508e-6, -5.69250639462346e-5,
      -7.34990630326855e-4, -2.95459980854025e-3, -1.60960333262415e-2,
    ],
    [
      -1.45660718464996e-5, -2.13374055278905e-4, -1.68282697438203e-3, -7.37332916720468e-3,
      -1.42647390514189e-2,
    ],
  );
}

const sigmoid = (b: Builder, l: Lanes, x: Local, math: MathLibrary): Expr =>
  l.div(l.constant(1), b.local('d', l.add(l.constant(1), math.call('exp', l.neg(x)))));

const RULES = { exp, log, tanh, erf, sigmoid } as const satisfies Record<
  string,
  (b: Builder, l: Lanes, x: Local, math: MathLibrary) => Expr
>;

export type MathName = keyof typeof RULES;

/** The functions that a module really uses, each once. */
export class MathLibrary {
  readonly #lanes: Lanes;
  readonly #made = new Map<MathName, LoopFunction>();

  constructor(lanes: Lanes) {
    this.#lanes = lanes;
  }

  call(name: MathName, x: Expr): Expr {
    return call(this.function(name), [x]);
  }

  function(name: MathName): LoopFunction {
    const known = this.#made.get(name);
    if (known !== undefined) return known;
    const b = new Builder();
    const x = b.param(this.#lanes.type, 'x');
    const result = RULES[name](b, this.#lanes, x, this);
    const made = b.finish(name, result);
    this.#made.set(name, made);
    return made;
  }
}
