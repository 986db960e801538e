import { fail } from '../../base/index.ts';
import type { Expr, Local, LoopFunction, Stmt } from '../compile/loop/ir.ts';

/** Which variables of a function are addresses, and through which of those it writes. */
export interface Pointers {
  readonly addresses: ReadonlySet<Local>;
  readonly written: ReadonlySet<Local>;
}

/** All statements, those of loops and branches among them. */
export function everyStatement(stmts: readonly Stmt[]): Stmt[] {
  return stmts.flatMap((stmt) =>
    stmt.kind === 'loop' || stmt.kind === 'if' ? [stmt, ...everyStatement(stmt.body)] : [stmt],
  );
}

/** The variable that an address is counted from; undefined for what is no address. */
export function rootOf(expr: Expr, addresses: ReadonlySet<Local>): Local | undefined {
  if (expr.kind === 'local') return addresses.has(expr) ? expr : undefined;
  if (expr.kind !== 'apply' || (expr.op !== 'i32.add' && expr.op !== 'i32.sub')) return undefined;
  const [left, right] = expr.args.map((arg) => rootOf(arg, addresses));
  if (left !== undefined && right !== undefined) throw fail('INTERNAL', 'a sum of two addresses');
  return left ?? right;
}

/**
 * WebAssembly counts addresses with integers; C tells pointers from numbers, and what is written from what is only read. The
 * parameters of a kernel are addresses, and so is what is counted from one.
 */
export function pointersOf(fn: LoopFunction): Pointers {
  const stmts = everyStatement(fn.body);
  const addresses = new Set(fn.params.filter(({ type }) => type === 'i32'));
  const from = new Map<Local, Set<Local>>();
  for (let grown = true; grown; ) {
    grown = false;
    for (const stmt of stmts) {
      if (stmt.kind !== 'set' || stmt.local.type !== 'i32') continue;
      const root = rootOf(stmt.value, addresses);
      if (root === undefined) continue;
      const known = from.get(stmt.local) ?? new Set<Local>();
      from.set(stmt.local, known);
      if (addresses.has(stmt.local) && known.has(root)) continue;
      addresses.add(stmt.local);
      known.add(root);
      grown = true;
    }
  }
  const written = new Set<Local>();
  const write = (local: Local | undefined): void => {
    if (local === undefined || written.has(local)) return;
    written.add(local);
    for (const root of from.get(local) ?? []) write(root);
  };
  for (const stmt of stmts) {
    if (stmt.kind === 'store') write(rootOf(stmt.base, addresses));
    if (stmt.kind === 'copy' || stmt.kind === 'fill') write(rootOf(stmt.to, addresses));
  }
  return { addresses, written };
}
