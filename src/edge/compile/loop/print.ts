import type { Expr, LoopFunction, Stmt } from './ir.ts';

const number = (value: number): string => (Object.is(value, -0) ? '-0' : String(value));

export function exprText(expr: Expr): string {
  switch (expr.kind) {
    case 'local':
      return expr.name;
    case 'constant':
      return expr.lanes === undefined ? number(expr.value) : `${expr.lanes}(${number(expr.value)})`;
    case 'call':
      return `${expr.fn.name}(${expr.args.map(exprText).join(', ')})`;
    case 'shuffle':
      return `shuffle[${expr.bytes.join(' ')}](${expr.args.map(exprText).join(', ')})`;
    case 'apply': {
      const lane = expr.lane === undefined ? '' : `[${expr.lane}]`;
      if (expr.offset !== undefined) return `${expr.op}${lane}[${place(expr.args[0]!, expr.offset)}]`;
      return `${expr.op}${lane}(${expr.args.map(exprText).join(', ')})`;
    }
  }
}

const place = (base: Expr, offset: number): string =>
  offset === 0 ? exprText(base) : `${exprText(base)} + ${offset}`;

function lines(stmts: readonly Stmt[], indent: string, out: string[]): void {
  for (const stmt of stmts) {
    switch (stmt.kind) {
      case 'set':
        out.push(`${indent}${stmt.local.name} = ${exprText(stmt.value)}`);
        break;
      case 'store': {
        const lane = stmt.lane === undefined ? '' : `[${stmt.lane}]`;
        out.push(`${indent}${stmt.op}${lane}[${place(stmt.base, stmt.offset)}] = ${exprText(stmt.value)}`);
        break;
      }
      case 'loop':
        out.push(`${indent}repeat {`);
        lines(stmt.body, `${indent}  `, out);
        out.push(`${indent}} while ${exprText(stmt.again)}`);
        break;
      case 'if':
        out.push(`${indent}if ${exprText(stmt.condition)} {`);
        lines(stmt.body, `${indent}  `, out);
        out.push(`${indent}}`);
        break;
      case 'call':
        out.push(`${indent}${stmt.fn.name}(${stmt.args.map(exprText).join(', ')})`);
        break;
      case 'copy':
        out.push(`${indent}copy(${[stmt.to, stmt.from, stmt.bytes].map(exprText).join(', ')})`);
        break;
      case 'fill':
        out.push(`${indent}fill(${exprText(stmt.to)}, ${stmt.byte}, ${exprText(stmt.bytes)})`);
        break;
      case 'trap':
        out.push(`${indent}trap`);
        break;
    }
  }
}

/** The parameters, body and result of a function, without its name: equal texts are equal functions. */
export function bodyText(fn: LoopFunction): string {
  const params = fn.params.map(({ name, type }) => `${name}: ${type}`).join(', ');
  const out = [`(${params}) {`];
  lines(fn.body, '  ', out);
  if (fn.result !== undefined) out.push(`  return ${exprText(fn.result)}`);
  out.push('}');
  return out.join('\n');
}

export function functionText(fn: LoopFunction): string {
  return `fn ${fn.name}${bodyText(fn)}\n`;
}
