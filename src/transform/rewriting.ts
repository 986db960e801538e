import type { Model, Node } from '../graph/index.ts';
import { cloneModel, labelOf } from '../graph/index.ts';
import type { DeclaredError, Pass, PassContext, PassNote } from './pass.ts';

/** Collects what a pass did and refused. */
export class Notes {
  readonly all: PassNote[] = [];

  changed(node: Node, why: string): void {
    this.all.push({ node: labelOf(node), op: node.op, action: 'changed', why });
  }

  refused(node: Node, why: string): void {
    this.all.push({ node: labelOf(node), op: node.op, action: 'refused', why });
  }
}

/** A pass by what it does to a copy of the model that is its own. */
export interface Rewriting<Options extends object> {
  readonly name: string;
  readonly summary: string;
  readonly defaults: Options;
  readonly error: DeclaredError;
  /** Edits the model in place and says whether it changed anything. */
  rewrite(model: Model, notes: Notes, options: Options, context: PassContext): boolean | Promise<boolean>;
}

/** Makes the pass: the input is copied (weights are shared), and given back itself where nothing changed. */
export function rewriting<Options extends object>(of: Rewriting<Options>): Pass<Options> {
  const { name, summary, defaults } = of;
  return {
    name,
    summary,
    defaults,
    error: () => of.error,
    async apply(model, options, context) {
      context.signal?.throwIfAborted();
      const copy = cloneModel(model);
      const notes = new Notes();
      const modified = await of.rewrite(copy, notes, options, context);
      return { model: modified ? copy : model, modified, notes: notes.all };
    },
  };
}

export const EXACT: DeclaredError = { kind: 'exact' };

/** Weights that were multiplied ahead of time round differently from values that are multiplied at run time. */
export const REASSOCIATED: DeclaredError = {
  kind: 'bounded',
  atol: 1e-5,
  rtol: 1e-4,
  why: 'float arithmetic is done in another order',
};

/** The graph computes the same, but the runtime packs weights that are constant and then multiplies in another order. */
export const REPACKED: DeclaredError = {
  kind: 'bounded',
  atol: 1e-6,
  rtol: 1e-5,
  why: 'the runtime orders the arithmetic of constant weights otherwise',
};
