import { fail } from '../../../base/index.ts';
import { Bytes, type WasmFunction } from '../wasm/module.ts';
import { OPCODES } from '../wasm/opcodes.ts';
import type { Constant, Expr, LoopFunction, Stmt } from './ir.ts';

/** The WebAssembly of a function; `indexOf` numbers the functions that it calls. */
export function emitFunction(
  fn: LoopFunction,
  indexOf: (fn: LoopFunction) => number,
  exported?: string,
): WasmFunction {
  const out = new Bytes();
  const expr = (e: Expr): void => {
    switch (e.kind) {
      case 'local':
        out.push(0x20).count(e.index);
        return;
      case 'constant':
        constant(e, out);
        return;
      case 'call':
        for (const arg of e.args) expr(arg);
        out.push(0x10).count(indexOf(e.fn));
        return;
      case 'shuffle':
        for (const arg of e.args) expr(arg);
        out.push(0xfd, 13).append(e.bytes);
        return;
      case 'apply': {
        for (const arg of e.args) expr(arg);
        instruction(e.op, e.offset, e.lane);
      }
    }
  };
  const instruction = (op: string, offset: number | undefined, lane: number | undefined): void => {
    const opcode = OPCODES.get(op);
    if (opcode === undefined) throw fail('INTERNAL', `no instruction ${op}`);
    out.append(opcode.code);
    if (opcode.align !== undefined) out.count(opcode.align).count(offset ?? 0);
    if (opcode.lane) out.push(lane ?? 0);
  };
  const stmts = (list: readonly Stmt[]): void => {
    for (const stmt of list) statement(stmt);
  };
  const statement = (stmt: Stmt): void => {
    switch (stmt.kind) {
      case 'set':
        expr(stmt.value);
        out.push(0x21).count(stmt.local.index);
        return;
      case 'store':
        expr(stmt.base);
        expr(stmt.value);
        instruction(stmt.op, stmt.offset, stmt.lane);
        return;
      case 'loop':
        out.push(0x03, 0x40);
        stmts(stmt.body);
        expr(stmt.again);
        out.push(0x0d, 0, 0x0b);
        return;
      case 'if':
        expr(stmt.condition);
        out.push(0x04, 0x40);
        stmts(stmt.body);
        out.push(0x0b);
        return;
      case 'call':
        for (const arg of stmt.args) expr(arg);
        out.push(0x10).count(indexOf(stmt.fn));
        return;
      case 'copy':
        for (const part of [stmt.to, stmt.from, stmt.bytes]) expr(part);
        out.push(0xfc, 10, 0, 0);
        return;
      case 'fill':
        expr(stmt.to);
        out.push(0x41).int(stmt.byte);
        expr(stmt.bytes);
        out.push(0xfc, 11, 0);
        return;
      case 'trap':
        out.push(0x00);
    }
  };
  stmts(fn.body);
  if (fn.result !== undefined) expr(fn.result);
  return {
    params: fn.params.map(({ type }) => type),
    results: fn.result === undefined ? [] : [fn.result.type],
    locals: fn.locals.map(({ type }) => type),
    code: out.whole(),
    ...(exported !== undefined && { exported }),
  };
}

function constant({ type, value, lanes }: Constant, out: Bytes): void {
  if (type === 'i32') out.push(0x41).int(value);
  else if (type === 'f32') out.push(0x43).float(value);
  else if (type === 'v128') {
    out.push(0xfd, 12);
    const four =
      lanes === 'i32x4'
        ? new Int32Array(4).fill(value)
        : lanes === 'i16x8'
          ? new Int16Array(8).fill(value)
          : new Float32Array(4).fill(value);
    out.append(new Uint8Array(four.buffer));
  } else throw fail('INTERNAL', `no constant of type ${type}`);
}
