import { apply, type Expr, i32, load } from '../loop/ir.ts';
import type { Program } from '../plan/program.ts';

/**
 * How a product of activations and weights is summed: in floats, or in integers of quantized activations (i16, less their
 * zero point) and weights (i8). A unit is what one multiplying step takes along the summed axis.
 */
export interface Arithmetic {
  readonly name: string;
  /** Bytes of one activation, and how many of them a unit takes. */
  readonly xBytes: number;
  readonly unit: number;
  /** Output channels in one accumulator. */
  readonly lanes: number;
  /** Bytes of the weights of one accumulator and unit. */
  readonly wBytes: number;
  readonly wStore: 'f32' | 'i8';
  zero(): Expr;
  bias(base: Expr, offset: number): Expr;
  x(base: Expr, offset: number): Expr;
  w(base: Expr, offset: number): Expr;
  mac(sum: Expr, x: Expr, w: Expr): Expr;
  /** The sum as floats. */
  float(sum: Expr): Expr;
}

export function floatArithmetic({ lanes: l, target }: Program): Arithmetic {
  return {
    name: 'gemm',
    xBytes: 4,
    unit: 1,
    lanes: l.width,
    wBytes: 4 * l.width,
    wStore: 'f32',
    zero: () => l.constant(0),
    bias: (base, offset) => l.load(base, offset),
    x: (base, offset) => l.loadSplat(base, offset),
    w: (base, offset) => l.load(base, offset),
    mac: (sum, x, w) =>
      target === 'relaxed' ? apply('f32x4.relaxed_madd', [x, w, sum]) : l.add(sum, l.mul(x, w)),
    float: (sum) => sum,
  };
}

/** Two activations at once: pairs of i16 are multiplied and added by one instruction. */
function pairs({ lanes: l }: Program): Arithmetic {
  return {
    name: 'qgemm',
    xBytes: 2,
    unit: 2,
    lanes: 4,
    wBytes: 8,
    wStore: 'i8',
    zero: () => l.int(0),
    bias: (base, offset) => load('v128.load', base, offset),
    x: (base, offset) => load('v128.load32_splat', base, offset),
    w: (base, offset) => load('i16x8.load8x8_s', base, offset),
    mac: (sum, x, w) => l.iadd(sum, apply('i32x4.dot_i16x8_s', [x, w])),
    float: (sum) => l.fromInt(sum),
  };
}

function scalars({ one: l }: Program): Arithmetic {
  return {
    name: 'qgemm',
    xBytes: 2,
    unit: 1,
    lanes: 1,
    wBytes: 1,
    wStore: 'i8',
    zero: () => i32(0),
    bias: (base, offset) => load('i32.load', base, offset),
    x: (base, offset) => load('i32.load16_s', base, offset),
    w: (base, offset) => load('i32.load8_s', base, offset),
    mac: (sum, x, w) => apply('i32.add', [sum, apply('i32.mul', [x, w])]),
    float: (sum) => l.fromInt(sum),
  };
}

export function integerArithmetic(program: Program): Arithmetic {
  return program.lanes.vector ? pairs(program) : scalars(program);
}
