import { fail } from '../../base/index.ts';
import { constantOf, isFloat, labelOf, type Node, opKey, topologicalOrder } from '../../graph/index.ts';
import type { Composer } from '../composer.ts';
import { expandNodes } from '../expand/index.ts';
import { GRADIENTS } from '../gradients/index.ts';
import type { GradientRule, GradientSite } from '../gradients/rule.ts';
import { macroOf } from '../macros/index.ts';

/** An operator without a gradient, and how many of its nodes stand in the way. */
export interface MissingGradient {
  readonly op: string;
  readonly nodes: readonly string[];
}

const RULES = new Map<string, GradientRule>(Object.entries(GRADIENTS));

/** The rule of a node's operator, or undefined. */
export function gradientRuleOf(node: Pick<Node, 'domain' | 'op'>): GradientRule | undefined {
  return macroOf(node)?.gradient ?? RULES.get(opKey(node));
}

/**
 * Reverse mode: adds to the composer's graph the nodes that compute the gradient of the scalar `of` with respect to each
 * of `wrt` (values of any kind: inputs, initializers, inner ones). Returns the names of the gradients, each of the shape of
 * its value; a value that `of` does not depend on has none. Nodes on the way that have an expansion (expand/) are first
 * written in plain operators. `ruleOf`: another table than GRADIENTS. Throws TRAIN_NO_GRADIENT,
 * listing all operators in the way; TRAIN_SHAPE_UNKNOWN.
 */
export function differentiate(
  to: Composer,
  of: string,
  wrt: readonly string[],
  ruleOf: typeof gradientRuleOf = gradientRuleOf,
): ReadonlyMap<string, string> {
  if (to.shape(of).length !== 0) throw fail('INTERNAL', `${of} is not a scalar`);
  let path = nodesBetween(to, of, new Set(wrt));
  const between = new Set(path.nodes);
  if (expandNodes(to, (node) => between.has(node)) > 0) path = nodesBetween(to, of, new Set(wrt));
  refuseMissing(path.nodes, ruleOf);
  const gradients = new Gradients(to);
  gradients.add(of, to.float(1));
  for (const node of [...path.nodes].reverse()) {
    if (!node.outputs.some((name) => gradients.has(name))) continue;
    const site = siteOf(node, to, gradients, path.active);
    const found = ruleOf(node)!(site);
    for (const [i, gradient] of found.entries()) {
      if (gradient === undefined || !site.wants(i)) continue;
      checkShape(to, node, i, gradient);
      gradients.add(node.inputs[i]!, gradient);
    }
  }
  const wanted = wrt.flatMap((name) => {
    const gradient = gradients.get(name);
    return gradient === undefined ? [] : [[name, gradient] as const];
  });
  return new Map(wanted);
}

/** The values that depend on `wrt`, and of the nodes that make them those that `of` depends on, in order. */
function nodesBetween(
  to: Composer,
  of: string,
  wrt: ReadonlySet<string>,
): { nodes: readonly Node[]; active: ReadonlySet<string> } {
  const active = new Set(wrt);
  const forward: Node[] = [];
  for (const node of topologicalOrder(to.model.graph)) {
    if (!node.inputs.some((name) => active.has(name))) continue;
    const floats = node.outputs.filter((name) => name !== '' && isFloat(to.dtype(name) ?? 'float32'));
    if (floats.length === 0) continue;
    for (const name of floats) active.add(name);
    forward.push(node);
  }
  const needed = new Set([of]);
  const between: Node[] = [];
  for (const node of forward.reverse()) {
    if (!node.outputs.some((name) => needed.has(name))) continue;
    between.unshift(node);
    for (const name of node.inputs) if (active.has(name)) needed.add(name);
  }
  return { nodes: between, active };
}

function refuseMissing(nodes: readonly Node[], ruleOf: typeof gradientRuleOf): void {
  const missing = new Map<string, string[]>();
  for (const node of nodes) {
    if (ruleOf(node) !== undefined) continue;
    missing.set(opKey(node), [...(missing.get(opKey(node)) ?? []), labelOf(node)]);
  }
  if (missing.size === 0) return;
  const ops = [...missing].map(([op, labels]): MissingGradient => ({ op, nodes: labels }));
  const words = ops.map(
    ({ op, nodes: labels }) => `${op} (${labels.length}: ${labels.slice(0, 3).join(', ')})`,
  );
  throw fail('TRAIN_NO_GRADIENT', words.join('; '), { missing: ops });
}

/** Contributions to the gradient of each value; summed when somebody asks. */
class Gradients {
  readonly #to: Composer;
  readonly #parts = new Map<string, string[]>();

  constructor(to: Composer) {
    this.#to = to;
  }

  add(value: string, gradient: string): void {
    const parts = this.#parts.get(value);
    if (parts === undefined) this.#parts.set(value, [gradient]);
    else parts.push(gradient);
  }

  has(value: string): boolean {
    return this.#parts.has(value);
  }

  get(value: string): string | undefined {
    const parts = this.#parts.get(value);
    if (parts === undefined) return undefined;
    if (parts.length > 1) {
      let sum = parts[0]!;
      for (const part of parts.slice(1)) sum = this.#to.op('Add', [sum, part]);
      parts.splice(0, parts.length, sum);
    }
    return parts[0];
  }
}

function siteOf(node: Node, to: Composer, gradients: Gradients, active: ReadonlySet<string>): GradientSite {
  const input = (i: number) => node.inputs[i] ?? '';
  return {
    node,
    to,
    gradient: (i = 0) => gradients.get(node.outputs[i] ?? ''),
    wants: (i) => active.has(input(i)),
    input,
    output: (i = 0) => node.outputs[i] ?? '',
    shape: (i) => to.shape(input(i)),
    constant: (i) => constantOf(to.model.graph, input(i)),
  };
}

/** A rule that gives another shape than that of its input is a fault of ours. */
function checkShape(to: Composer, node: Node, i: number, gradient: string): void {
  const [wanted, found] = [to.shape(node.inputs[i]!), to.shape(gradient)];
  if (String(wanted) === String(found)) return;
  throw fail(
    'INTERNAL',
    `the gradient of input ${i} of ${labelOf(node)} (${node.op}) is [${found}], not [${wanted}]`,
  );
}
