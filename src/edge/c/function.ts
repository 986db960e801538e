import { fail } from '../../base/index.ts';
import type { Expr, Local, LoopFunction, Stmt } from '../compile/loop/ir.ts';
import { bare, condition, expression, helper, place, type Site, storing } from './expression.ts';
import { everyStatement, type Pointers, pointersOf } from './pointers.ts';

/** Where functions are written. */
export interface Unit {
  readonly prefix: string;
  readonly helpers: Set<string>;
  nameOf(fn: LoopFunction): string;
}

const TYPES = { i32: 'int32_t', i64: 'int64_t', f32: 'float' } as const;

/** True where the function may give up, for an index that is not there. */
export function mayFail(fn: LoopFunction): boolean {
  return everyStatement(fn.body).some((stmt) => stmt.kind === 'trap');
}

/** The parameters that a function writes through. */
export function writtenParams(fn: LoopFunction): boolean[] {
  const { written } = pointersOf(fn);
  return fn.params.map((param) => written.has(param));
}

/** A function of the loop form in C. */
export function functionC(fn: LoopFunction, unit: Unit): string {
  const pointers = pointersOf(fn);
  const site: Site = {
    prefix: unit.prefix,
    helpers: unit.helpers,
    addresses: pointers.addresses,
    nameOf: unit.nameOf,
  };
  const body = withoutDead(fn.body, fn.result);
  const lines: string[] = [];
  const writer = new Writer(site, pointers, body, fn.result, lines);
  const params = fn.params.map((param) => `${writer.type(param)}${param.name}`).join(', ');
  const result = fn.result !== undefined ? cType(fn.result) : mayFail(fn) ? 'int' : 'void';
  const read = new Set([...body.flatMap(localsOf), ...(fn.result ? localsIn(fn.result) : [])]);
  for (const param of fn.params) if (!read.has(param)) lines.push(`    (void)${param.name};`);
  writer.block(body, '    ', fn.params);
  if (fn.result !== undefined) lines.push(`    return ${bare(site, fn.result)};`);
  else if (mayFail(fn)) lines.push('    return 0;');
  return `static ${result} ${unit.nameOf(fn)}(${params})\n{\n${lines.join('\n')}\n}\n`;
}

function cType({ type }: Expr): string {
  const name = (TYPES as Partial<Record<string, string>>)[type];
  if (name === undefined) throw fail('INTERNAL', `C has no ${type}`);
  return name;
}

/** Variables that an expression reads. */
export function localsIn(expr: Expr): Local[] {
  if (expr.kind === 'local') return [expr];
  return expr.kind === 'constant' ? [] : expr.args.flatMap(localsIn);
}

function partsOf(stmt: Stmt): readonly Expr[] {
  switch (stmt.kind) {
    case 'set':
      return [stmt.value];
    case 'store':
      return [stmt.base, stmt.value];
    case 'loop':
      return [stmt.again];
    case 'if':
      return [stmt.condition];
    case 'call':
      return stmt.args;
    case 'copy':
      return [stmt.to, stmt.from, stmt.bytes];
    case 'fill':
      return [stmt.to, stmt.bytes];
    case 'trap':
      return [];
  }
}

/** Every variable that a statement reads, or that what is inside of it reads. */
function readsOf(stmt: Stmt): Local[] {
  const inside = stmt.kind === 'loop' || stmt.kind === 'if' ? stmt.body.flatMap(readsOf) : [];
  return [...partsOf(stmt).flatMap(localsIn), ...inside];
}

/** Those, and the ones that it sets. */
function localsOf(stmt: Stmt): Local[] {
  const set = everyStatement([stmt]).flatMap((one) => (one.kind === 'set' ? [one.local] : []));
  return [...readsOf(stmt), ...set];
}

/** Without variables that nobody reads: WebAssembly does not mind them, C compilers do. */
function withoutDead(body: readonly Stmt[], result: Expr | undefined): readonly Stmt[] {
  for (let now = body; ; ) {
    const read = new Set([...liveReads(now), ...(result === undefined ? [] : localsIn(result))]);
    const next = filtered(now, read);
    if (everyStatement(next).length === everyStatement(now).length) return next;
    now = next;
  }
}

/** What is read by more than the step of itself (`p = p + 4` keeps nothing alive). */
function liveReads(body: readonly Stmt[]): Local[] {
  return everyStatement(body).flatMap((stmt) => {
    const read = partsOf(stmt).flatMap(localsIn);
    return stmt.kind === 'set' ? read.filter((local) => local !== stmt.local) : read;
  });
}

function filtered(body: readonly Stmt[], read: ReadonlySet<Local>): Stmt[] {
  return body.flatMap((stmt): Stmt[] => {
    if (stmt.kind === 'set' && !read.has(stmt.local)) return [];
    if (stmt.kind === 'loop' || stmt.kind === 'if') return [{ ...stmt, body: filtered(stmt.body, read) }];
    return [stmt];
  });
}

class Writer {
  readonly #site: Site;
  readonly #pointers: Pointers;
  readonly #lines: string[];
  readonly #result: readonly Local[];
  readonly #sets = new Map<Local, number>();

  constructor(
    site: Site,
    pointers: Pointers,
    body: readonly Stmt[],
    result: Expr | undefined,
    lines: string[],
  ) {
    this.#site = site;
    this.#pointers = pointers;
    this.#lines = lines;
    this.#result = result === undefined ? [] : localsIn(result);
    for (const stmt of everyStatement(body)) {
      if (stmt.kind === 'set') this.#sets.set(stmt.local, (this.#sets.get(stmt.local) ?? 0) + 1);
    }
  }

  /** The type of a variable, up to its name. */
  type(local: Local): string {
    if (!this.#pointers.addresses.has(local)) return `${cType(local)} `;
    return this.#pointers.written.has(local) ? 'uint8_t *' : 'const uint8_t *';
  }

  /**
   * The statements of a block. A variable is declared where it is set first, if nothing outside of the block knows it and nothing
   * in the block asks for it earlier; `known` are those that are declared already.
   */
  block(stmts: readonly Stmt[], indent: string, known: readonly Local[]): void {
    const declared = new Set(known);
    const all = new Map<Local, number[]>();
    for (const [i, stmt] of stmts.entries()) {
      for (const local of new Set(localsOf(stmt))) all.set(local, [...(all.get(local) ?? []), i]);
    }
    // What two statements share, or this block's condition, is declared here; the rest inside of the one that has it.
    const here = new Set(
      [...all]
        .filter(([local, at]) => {
          if (declared.has(local)) return false;
          const own = at.some((i) => partsAndSet(stmts[i]!).includes(local));
          return own || at.length > 1 || this.#result.includes(local);
        })
        .map(([local]) => local),
    );
    for (const local of here) {
      const first = stmts[all.get(local)![0]!]!;
      const direct = first.kind === 'set' && first.local === local && !localsIn(first.value).includes(local);
      if (direct) continue;
      this.#lines.push(`${indent}${this.type(local)}${local.name};`);
      declared.add(local);
    }
    for (const stmt of stmts) this.#statement(stmt, indent, declared);
  }

  #statement(stmt: Stmt, indent: string, declared: Set<Local>): void {
    const site = this.#site;
    const line = (text: string): void => {
      this.#lines.push(`${indent}${text}`);
    };
    switch (stmt.kind) {
      case 'set': {
        const { local, value } = stmt;
        const fresh = !declared.has(local);
        declared.add(local);
        const address = this.#pointers.addresses.has(local);
        const fixed = fresh && this.#sets.get(local) === 1;
        const type = !fresh ? '' : fixed && address ? `${this.type(local)}const ` : this.type(local);
        line(`${fixed && !address ? 'const ' : ''}${type}${local.name} = ${bare(site, value)};`);
        return;
      }
      case 'store':
        line(`${storing(site, stmt.op, place(site, stmt.base, stmt.offset), stmt.value)};`);
        return;
      case 'loop':
        line('do {');
        this.block(stmt.body, `${indent}    `, [...declared]);
        line(`} while (${condition(site, stmt.again)});`);
        return;
      case 'if':
        line(`if (${condition(site, stmt.condition)}) {`);
        this.block(stmt.body, `${indent}    `, [...declared]);
        line('}');
        return;
      case 'call':
        throw fail('INTERNAL', `${stmt.fn.name} is called by another kernel`);
      case 'copy':
        line(`${helper(site, 'copy', ...[stmt.to, stmt.from, stmt.bytes].map((e) => expression(site, e)))};`);
        return;
      case 'fill':
        line(
          `${helper(site, 'fill', expression(site, stmt.to), String(stmt.byte), expression(site, stmt.bytes))};`,
        );
        return;
      case 'trap':
        line('return 1;');
    }
  }
}

/** What a statement itself reads and sets, without what is inside of it. */
function partsAndSet(stmt: Stmt): Local[] {
  const own = partsOf(stmt).flatMap(localsIn);
  return stmt.kind === 'set' ? [...own, stmt.local] : own;
}

/** These functions and all that they call, callees first. */
export function everyCallee(functions: readonly LoopFunction[]): LoopFunction[] {
  const ordered = new Set<LoopFunction>();
  const visit = (fn: LoopFunction): void => {
    if (ordered.has(fn)) return;
    const exprs = [...everyStatement(fn.body).flatMap(partsOf), ...(fn.result ? [fn.result] : [])];
    for (const expr of exprs) for (const callee of calleesIn(expr)) visit(callee);
    ordered.add(fn);
  };
  for (const fn of functions) visit(fn);
  return [...ordered];
}

function calleesIn(expr: Expr): LoopFunction[] {
  if (expr.kind === 'local' || expr.kind === 'constant') return [];
  const inside = expr.args.flatMap(calleesIn);
  return expr.kind === 'call' ? [...inside, expr.fn] : inside;
}
