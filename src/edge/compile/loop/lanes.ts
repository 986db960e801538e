import type { WasmType } from '../wasm/opcodes.ts';
import type { Builder } from './builder.ts';
import { apply, type Constant, type Expr, f32, i32, load } from './ir.ts';

/**
 * Arithmetic on `width` floats at once: four lanes of SIMD128, or one scalar. Kernels are written once against it. A truth is
 * a mask of all ones in a vector, and 1 as a scalar.
 */
export class Lanes {
  readonly width: 4 | 1;
  readonly type: WasmType;
  readonly #f: string;
  readonly #i: string;

  constructor(width: 4 | 1) {
    this.width = width;
    this.type = width === 4 ? 'v128' : 'f32';
    this.#f = width === 4 ? 'f32x4' : 'f32';
    this.#i = width === 4 ? 'i32x4' : 'i32';
  }

  get vector(): boolean {
    return this.width === 4;
  }

  constant(value: number): Expr {
    const rounded = Math.fround(value);
    return this.vector ? { kind: 'constant', type: 'v128', value: rounded, lanes: 'f32x4' } : f32(rounded);
  }

  int(value: number): Expr {
    return this.vector ? { kind: 'constant', type: 'v128', value, lanes: 'i32x4' } : i32(value);
  }

  splat(value: Expr): Expr {
    if (value.kind === 'constant') return this.constant((value as Constant).value);
    return this.vector ? apply('f32x4.splat', [value]) : value;
  }

  load(base: Expr, offset = 0): Expr {
    return load(this.vector ? 'v128.load' : 'f32.load', base, offset);
  }

  /** One float in every lane. */
  loadSplat(base: Expr, offset = 0): Expr {
    return load(this.vector ? 'v128.load32_splat' : 'f32.load', base, offset);
  }

  /** Stores the first `lanes` floats. */
  store(b: Builder, base: Expr, offset: number, value: Expr, lanes: number = this.width): void {
    if (!this.vector) {
      b.store('f32.store', base, offset, value);
      return;
    }
    storeLanes(b, base, offset, value, lanes, 4);
  }

  op(name: string, ...args: readonly Expr[]): Expr {
    return apply(`${this.#f}.${name}`, args);
  }

  add = (a: Expr, b: Expr) => this.op('add', a, b);
  sub = (a: Expr, b: Expr) => this.op('sub', a, b);
  mul = (a: Expr, b: Expr) => this.op('mul', a, b);
  div = (a: Expr, b: Expr) => this.op('div', a, b);
  abs = (a: Expr) => this.op('abs', a);
  neg = (a: Expr) => this.op('neg', a);
  sqrt = (a: Expr) => this.op('sqrt', a);
  floor = (a: Expr) => this.op('floor', a);
  ceil = (a: Expr) => this.op('ceil', a);
  nearest = (a: Expr) => this.op('nearest', a);
  lt = (a: Expr, b: Expr) => this.op('lt', a, b);
  le = (a: Expr, b: Expr) => this.op('le', a, b);
  eq = (a: Expr, b: Expr) => this.op('eq', a, b);

  /** b < a ? b : a, so NaN of `a` stays. */
  min(a: Expr, b: Expr): Expr {
    return this.vector ? this.op('pmin', a, b) : apply('select.f32', [b, a, apply('f32.lt', [b, a])]);
  }

  /** a < b ? b : a, so NaN of `a` stays. */
  max(a: Expr, b: Expr): Expr {
    return this.vector ? this.op('pmax', a, b) : apply('select.f32', [b, a, apply('f32.lt', [a, b])]);
  }

  select(truth: Expr, yes: Expr, no: Expr): Expr {
    return this.vector ? apply('v128.bitselect', [yes, no, truth]) : apply('select.f32', [yes, no, truth]);
  }

  not(truth: Expr): Expr {
    return this.vector ? apply('v128.not', [truth]) : apply('i32.eqz', [truth]);
  }

  and(a: Expr, b: Expr): Expr {
    return apply(this.vector ? 'v128.and' : 'i32.and', [a, b]);
  }

  /** Rounded toward zero; what does not fit saturates. */
  toInt(a: Expr): Expr {
    return apply(this.vector ? 'i32x4.trunc_sat_f32x4_s' : 'i32.trunc_sat_f32_s', [a]);
  }

  fromInt(a: Expr): Expr {
    return apply(this.vector ? 'f32x4.convert_i32x4_s' : 'f32.convert_i32_s', [a]);
  }

  /** The same bits as integers, and back. */
  bits(a: Expr): Expr {
    return this.vector ? a : apply('i32.reinterpret_f32', [a]);
  }

  ofBits(a: Expr): Expr {
    return this.vector ? a : apply('f32.reinterpret_i32', [a]);
  }

  iadd = (a: Expr, b: Expr) => apply(`${this.#i}.add`, [a, b]);
  isub = (a: Expr, b: Expr) => apply(`${this.#i}.sub`, [a, b]);
  shl = (a: Expr, by: number) => apply(`${this.#i}.shl`, [a, i32(by)]);
  shr = (a: Expr, by: number) => apply(`${this.#i}.shr_s`, [a, i32(by)]);

  bitAnd(a: Expr, b: Expr): Expr {
    return apply(this.vector ? 'v128.and' : 'i32.and', [a, b]);
  }

  bitOr(a: Expr, b: Expr): Expr {
    return apply(this.vector ? 'v128.or' : 'i32.or', [a, b]);
  }
}

/** Stores the first `count` elements of `size` bytes of a vector. */
export function storeLanes(
  b: Builder,
  base: Expr,
  offset: number,
  value: Expr,
  count: number,
  size: 1 | 2 | 4,
): void {
  const bytes = count * size;
  if (bytes >= 16) {
    b.store('v128.store', base, offset, value);
    return;
  }
  const held = value.kind === 'local' || value.kind === 'constant' ? value : b.local('part', value);
  let at = 0;
  for (const piece of [8, 4, 2, 1]) {
    while (bytes - at >= piece) {
      b.store(`v128.store${piece * 8}_lane`, base, offset + at, held, at / piece);
      at += piece;
    }
  }
}
