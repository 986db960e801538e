import type { Model } from '../model.ts';
import type { Scope } from './scopes.ts';

/** What a rule found: where, and which node or value. */
export interface Finding {
  /** The rule's name in the table. */
  readonly rule: string;
  /** The scope: "graph", "graph/If_3.then_branch", "function local.Gelu". */
  readonly where: string;
  readonly message: string;
  readonly node?: string;
  readonly value?: string;
}

/** What `check` yields; the table adds its own name and the scope. */
export interface Found {
  readonly message: string;
  readonly node?: string;
  readonly value?: string;
}

/** A rule of ONNX that every graph, nested graph and function body must keep; or, with `model`, the model as a whole. */
export interface Rule {
  /** The rule in one sentence, for people. */
  readonly what: string;
  scope?(scope: Scope, model: Model): Iterable<Found>;
  model?(model: Model): Iterable<Found>;
}
