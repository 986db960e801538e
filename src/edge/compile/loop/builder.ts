import { fail } from '../../../base/index.ts';
import { OPCODES, type WasmType } from '../wasm/opcodes.ts';
import { addressOf, apply, type Expr, i32, type Local, type LoopFunction, plus, type Stmt } from './ir.ts';

/** A pointer that a loop moves on: where it starts, and bytes a turn. */
export type Walked = readonly [start: Expr, step: number];

/** Builds one function of the loop-level form. */
export class Builder {
  readonly #params: Local[] = [];
  readonly #locals: Local[] = [];
  #body: Stmt[] = [];
  #index = 0;

  #make(type: WasmType, name: string): Local {
    const local: Local = { kind: 'local', type, name: `${name}${this.#index}`, index: this.#index };
    this.#index += 1;
    return local;
  }

  /** Parameters come before locals. */
  param(type: WasmType, name: string): Local {
    if (this.#locals.length > 0) throw fail('INTERNAL', 'a parameter after locals');
    const local = this.#make(type, name);
    this.#params.push(local);
    return local;
  }

  /** A new variable with a value. */
  local(name: string, value: Expr): Local {
    const local = this.variable(value.type, name);
    this.set(local, value);
    return local;
  }

  variable(type: WasmType, name: string): Local {
    const local = this.#make(type, name);
    this.#locals.push(local);
    return local;
  }

  set(local: Local, value: Expr): void {
    if (local.type !== value.type)
      throw fail('INTERNAL', `${local.name} is ${local.type}, not ${value.type}`);
    this.#body.push({ kind: 'set', local, value });
  }

  store(op: string, base: Expr, offset: number, value: Expr, lane?: number): void {
    const opcode = OPCODES.get(op);
    if (opcode?.takes[1] !== value.type) throw fail('INTERNAL', `${op} of ${value.type}`);
    const at = addressOf(base, offset);
    this.#body.push({
      kind: 'store',
      op,
      base: at.base,
      offset: at.offset,
      value,
      ...(lane !== undefined && { lane }),
    });
  }

  emit(stmt: Stmt): void {
    this.#body.push(stmt);
  }

  /** Collects what `fill` emits. */
  block(fill: () => void): Stmt[] {
    const outer = this.#body;
    this.#body = [];
    fill();
    const made = this.#body;
    this.#body = outer;
    return made;
  }

  if(condition: Expr, fill: () => void): void {
    const body = this.block(fill);
    this.#body.push({ kind: 'if', condition, body });
  }

  /**
   * `count` turns (known now) with pointers that move on. One turn needs no loop, and no variables. The first pointer that
   * moves also counts.
   */
  walk(count: number, walked: readonly Walked[], fill: (pointers: Expr[]) => void): void {
    if (count <= 0) return;
    if (count === 1) {
      fill(walked.map(([start]) => start));
      return;
    }
    const counting = walked.findIndex(([, step]) => step !== 0);
    const pointers = walked.map(([start, step]) => (step === 0 ? start : this.local('p', start)));
    const own = counting < 0 ? this.local('n', i32(0)) : (pointers[counting] as Local);
    const stride = counting < 0 ? 1 : walked[counting]![1];
    const first = counting < 0 ? i32(0) : walked[counting]![0];
    const end =
      first.kind === 'constant'
        ? i32(first.value + count * stride)
        : this.local('end', plus(own, count * stride));
    const body = this.block(() => {
      fill(pointers);
      for (const [i, [, step]] of walked.entries()) {
        if (step !== 0) this.set(pointers[i] as Local, plus(pointers[i]!, step));
      }
      if (counting < 0) this.set(own, plus(own, 1));
    });
    this.#body.push({ kind: 'loop', body, again: apply('i32.ne', [own, end]) });
  }

  finish(name: string, result?: Expr): LoopFunction {
    return {
      name,
      params: this.#params,
      locals: this.#locals,
      body: this.#body,
      ...(result !== undefined && { result }),
    };
  }
}
