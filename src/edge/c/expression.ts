import { fail } from '../../base/index.ts';
import type { Apply, Expr, Local, LoopFunction } from '../compile/loop/ir.ts';
import { bitsLiteral, floatLiteral, intLiteral } from './number.ts';
import { rootOf } from './pointers.ts';

/** Where expressions are written. */
export interface Site {
  readonly prefix: string;
  readonly addresses: ReadonlySet<Local>;
  /** Names the helpers that are used. */
  readonly helpers: Set<string>;
  nameOf(fn: LoopFunction): string;
}

/** Operators between two numbers that C writes as WebAssembly does. */
const INFIX: Readonly<Record<string, string>> = {
  'f32.add': '+',
  'f32.sub': '-',
  'f32.mul': '*',
  'f32.div': '/',
  'i32.and': '&',
  'i32.or': '|',
  'i32.xor': '^',
};

const COMPARED: Readonly<Record<string, string>> = {
  'f32.eq': '==',
  'f32.ne': '!=',
  'f32.lt': '<',
  'f32.gt': '>',
  'f32.le': '<=',
  'f32.ge': '>=',
  'i32.eq': '==',
  'i32.ne': '!=',
  'i32.lt_s': '<',
  'i32.gt_s': '>',
  'i32.le_s': '<=',
  'i32.ge_s': '>=',
};

const UNSIGNED: Readonly<Record<string, string>> = { 'i32.lt_u': '<', 'i32.gt_u': '>', 'i32.ge_u': '>=' };

/** Functions of helpers.ts by instruction. */
const CALLED: Readonly<Record<string, string>> = {
  'i32.add': 'add',
  'i32.sub': 'sub',
  'i32.mul': 'mul',
  'i32.shl': 'shl',
  'i32.shr_u': 'shr_u',
  'i32.shr_s': 'shr_s',
  'f32.abs': 'abs',
  'f32.ceil': 'ceil',
  'f32.floor': 'floor',
  'f32.trunc': 'trunc',
  'f32.nearest': 'nearest',
  'i32.trunc_sat_f32_s': 'to_i32',
  'i64.trunc_sat_f32_s': 'to_i64',
};

const CASTS: Readonly<Record<string, string>> = {
  'i32.wrap_i64': 'int32_t',
  'i64.extend_i32_s': 'int64_t',
  'f32.convert_i32_s': 'float',
  'f32.convert_i64_s': 'float',
};

const LOADS: Readonly<Record<string, string>> = {
  'f32.load': 'get_f32',
  'i64.load': 'get_i64',
  'i32.load': 'get_i32',
  'i32.load16_s': 'get_i16',
  'i32.load8_s': 'get_i8',
  'i32.load8_u': 'get_u8',
};

const STORES: Readonly<Record<string, string>> = {
  'f32.store': 'put_f32',
  'i64.store': 'put_i64',
  'i32.store': 'put_i32',
  'i32.store16': 'put_i16',
  'i32.store8': 'put_i8',
};

export function helper(site: Site, name: string, ...args: readonly string[]): string {
  site.helpers.add(name);
  return `${site.prefix}_${name}(${args.join(', ')})`;
}

/** An expression without parentheses around it, where it stands alone. */
export function bare(site: Site, expr: Expr): string {
  const text = expression(site, expr);
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '(') depth += 1;
    if (text[i] === ')') depth -= 1;
    if (depth === 0) return i > 0 && i === text.length - 1 && text[0] === '(' ? text.slice(1, -1) : text;
  }
  return text;
}

export function expression(site: Site, expr: Expr): string {
  switch (expr.kind) {
    case 'local':
      return expr.name;
    case 'constant':
      if (expr.type === 'i32') return intLiteral(expr.value);
      if (expr.type === 'f32')
        return floatLiteral(expr.value) ?? helper(site, 'of_bits', bitsLiteral(expr.value));
      break;
    case 'call':
      return `${site.nameOf(expr.fn)}(${expr.args.map((arg) => bare(site, arg)).join(', ')})`;
    case 'apply':
      return applied(site, expr);
  }
  throw fail('INTERNAL', `C has no ${expr.type} ${expr.kind}`);
}

function applied(site: Site, expr: Apply): string {
  const { op, args } = expr;
  const [first] = args;
  if (op === 'i32.trunc_sat_f32_s' && first?.kind === 'apply' && first.op === 'f32.nearest')
    return helper(site, 'round', bare(site, first.args[0]!));
  const loading = LOADS[op];
  if (loading !== undefined) return helper(site, loading, place(site, args[0]!, expr.offset ?? 0));
  if (op === 'select.f32' || op === 'select.i32') {
    const [yes, no, truth] = args.map((arg) => expression(site, arg));
    const held = isTruth(args[2]!) ? truth : `(${truth} != 0)`;
    return `(${held} ? ${yes} : ${no})`;
  }
  if (rootOf(expr, site.addresses) !== undefined) return moved(site, expr);
  const [a = '', b = ''] = args.map((arg) => expression(site, arg));
  const infix = INFIX[op] ?? COMPARED[op];
  if (infix !== undefined) return `(${a} ${infix} ${b})`;
  const unsigned = UNSIGNED[op];
  if (unsigned !== undefined) return `((uint32_t)${a} ${unsigned} (uint32_t)${b})`;
  const called = CALLED[op];
  if (called !== undefined) return helper(site, called, ...args.map((arg) => bare(site, arg)));
  const cast = CASTS[op];
  if (cast !== undefined) return `(${cast})${a}`;
  if (op === 'i32.eqz') return `(${a} == 0)`;
  if (op === 'f32.neg') return `(- ${a})`;
  if (op === 'f32.sqrt') {
    site.helpers.add('sqrtf');
    return `sqrtf(${bare(site, args[0]!)})`;
  }
  if (op === 'i32.reinterpret_f32') return `(int32_t)${helper(site, 'bits', bare(site, args[0]!))}`;
  if (op === 'f32.reinterpret_i32') return helper(site, 'of_bits', `(uint32_t)${a}`);
  throw fail('INTERNAL', `C has no ${op}`);
}

/** A pointer and a number. */
function moved(site: Site, { op, args: [left, right] }: Apply): string {
  const swapped = rootOf(left!, site.addresses) === undefined;
  const [pointer, by] = swapped ? [right!, left!] : [left!, right!];
  if (by.kind === 'constant') {
    const step = op === 'i32.sub' ? -by.value : by.value;
    return `(${expression(site, pointer)} ${step < 0 ? '-' : '+'} ${Math.abs(step)})`;
  }
  return `(${expression(site, pointer)} ${op === 'i32.sub' ? '-' : '+'} ${expression(site, by)})`;
}

/** An address and bytes beyond it. */
export function place(site: Site, base: Expr, offset: number): string {
  if (rootOf(base, site.addresses) === undefined) throw fail('INTERNAL', 'memory is read at no address');
  return offset === 0 ? bare(site, base) : `${expression(site, base)} + ${offset}`;
}

export function storing(site: Site, op: string, at: string, value: Expr): string {
  const name = STORES[op];
  if (name === undefined) throw fail('INTERNAL', `C has no ${op}`);
  return helper(site, name, at, bare(site, value));
}

const isTruth = (expr: Expr): boolean =>
  expr.kind === 'apply' && (expr.op in COMPARED || expr.op in UNSIGNED || expr.op === 'i32.eqz');

/** What stands in the parentheses of if and while. */
export function condition(site: Site, expr: Expr): string {
  return isTruth(expr) ? bare(site, expr) : `${expression(site, expr)} != 0`;
}
