import { fail } from '../../../base/index.ts';
import { OPCODES, type WasmType } from '../wasm/opcodes.ts';

/*
 * The loop-level form: functions of loops over static shapes, with typed expressions. It is what kernels are written in; it
 * prints as text (print.ts) and becomes WebAssembly (emit.ts).
 */

/** A variable of a function. */
export interface Local {
  readonly kind: 'local';
  readonly type: WasmType;
  readonly name: string;
  readonly index: number;
}

export interface Constant {
  readonly kind: 'constant';
  readonly type: WasmType;
  /** Of a v128: the value of each of its four f32 or i32 lanes. */
  readonly value: number;
  readonly lanes?: 'f32x4' | 'i32x4' | 'i16x8';
}

/** An instruction and what it is applied to. */
export interface Apply {
  readonly kind: 'apply';
  readonly op: string;
  readonly type: WasmType;
  readonly args: readonly Expr[];
  /** Bytes added to the address, for memory accesses. */
  readonly offset?: number;
  readonly lane?: number;
}

/** Sixteen bytes chosen from two vectors. */
export interface Shuffle {
  readonly kind: 'shuffle';
  readonly type: 'v128';
  readonly args: readonly [Expr, Expr];
  readonly bytes: readonly number[];
}

export interface CallExpr {
  readonly kind: 'call';
  readonly fn: LoopFunction;
  readonly type: WasmType;
  readonly args: readonly Expr[];
}

export type Expr = Local | Constant | Apply | Shuffle | CallExpr;

export type Stmt =
  | { readonly kind: 'set'; readonly local: Local; readonly value: Expr }
  | {
      readonly kind: 'store';
      readonly op: string;
      readonly base: Expr;
      readonly offset: number;
      readonly value: Expr;
      readonly lane?: number;
    }
  /** Runs `body`, and again while `again` is not zero. */
  | { readonly kind: 'loop'; readonly body: readonly Stmt[]; readonly again: Expr }
  | { readonly kind: 'if'; readonly condition: Expr; readonly body: readonly Stmt[] }
  | { readonly kind: 'call'; readonly fn: LoopFunction; readonly args: readonly Expr[] }
  /** memory.copy and memory.fill. */
  | { readonly kind: 'copy'; readonly to: Expr; readonly from: Expr; readonly bytes: Expr }
  | { readonly kind: 'fill'; readonly to: Expr; readonly byte: number; readonly bytes: Expr }
  | { readonly kind: 'trap' };

export interface LoopFunction {
  readonly name: string;
  readonly params: readonly Local[];
  /** All locals beyond the parameters. */
  readonly locals: readonly Local[];
  readonly body: readonly Stmt[];
  readonly result?: Expr;
}

export const i32 = (value: number): Constant => ({ kind: 'constant', type: 'i32', value });
export const f32 = (value: number): Constant => ({ kind: 'constant', type: 'f32', value });

/** An instruction applied to arguments, checked against its signature. */
export function apply(
  op: string,
  args: readonly Expr[],
  rest: { offset?: number; lane?: number } = {},
): Expr {
  const opcode = OPCODES.get(op);
  if (opcode?.gives === undefined || opcode.takes.some((type, i) => args[i]?.type !== type)) {
    throw fail('INTERNAL', `${op} of ${args.map(({ type }) => type).join(', ')}`);
  }
  return { kind: 'apply', op, type: opcode.gives, args, ...rest };
}

const isInt = (expr: Expr): expr is Constant => expr.kind === 'constant' && expr.type === 'i32';

/** a + b of addresses and counts, with constants gathered at the end. */
export function plus(a: Expr, b: Expr | number): Expr {
  const right = typeof b === 'number' ? i32(b) : b;
  if (isInt(a) && isInt(right)) return i32(a.value + right.value);
  if (isInt(a)) return plus(right, a);
  if (isInt(right)) {
    if (right.value === 0) return a;
    if (a.kind === 'apply' && a.op === 'i32.add' && isInt(a.args[1]!)) {
      return plus(a.args[0]!, a.args[1].value + right.value);
    }
  }
  return apply('i32.add', [a, right]);
}

/** An address as a base and a constant that an instruction can carry. */
export function addressOf(base: Expr, offset: number): { base: Expr; offset: number } {
  if (base.kind === 'apply' && base.op === 'i32.add' && isInt(base.args[1]!)) {
    return addressOf(base.args[0]!, offset + base.args[1].value);
  }
  if (offset < 0) return { base: plus(base, offset), offset: 0 };
  return { base, offset };
}

export function load(op: string, base: Expr, offset = 0): Expr {
  const at = addressOf(base, offset);
  return apply(op, [at.base], { offset: at.offset });
}

export function call(fn: LoopFunction, args: readonly Expr[]): CallExpr {
  const type = fn.result?.type;
  if (type === undefined) throw fail('INTERNAL', `${fn.name} gives nothing`);
  return { kind: 'call', fn, type, args };
}
