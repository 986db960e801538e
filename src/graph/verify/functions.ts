import { type FunctionDef, type Node, subgraphsOf } from '../model.ts';
import type { Rule } from './rule.ts';

const keyOf = (domain: string, name: string, overload = '') => JSON.stringify([domain, name, overload]);

/** Rules about model-local functions. */
export const FUNCTION_RULES = {
  'functions-unique': {
    what: 'A function has a name, and no other has the same domain, name and overload.',
    *model({ functions }) {
      const seen = new Set<string>();
      for (const { domain, name, overload } of functions) {
        const key = keyOf(domain, name, overload);
        if (name === '') yield { message: 'a function has no name' };
        if (seen.has(key)) yield { message: `function ${domain}.${name} is defined twice` };
        seen.add(key);
      }
    },
  },
  'functions-sane': {
    what: 'The outputs and attributes of a function are listed once each.',
    *scope({ fn }) {
      if (fn === undefined) return;
      for (const [side, names] of [
        ['output', fn.outputs] as const,
        ['attribute', [...fn.attributes, ...fn.defaults.keys()]] as const,
      ]) {
        const twice = names.find((name, i) => names.indexOf(name) !== i);
        if (twice !== undefined) yield { message: `${side} "${twice}" is listed twice`, value: twice };
      }
    },
  },
  'functions-end': {
    what: 'No function calls itself, directly or through others.',
    *model({ functions }) {
      const byKey = new Map(functions.map((fn) => [keyOf(fn.domain, fn.name, fn.overload), fn]));
      const state = new Map<FunctionDef, 'open' | 'done'>();
      for (const fn of functions) {
        const circle = findCircle(fn, byKey, state, []);
        if (circle !== undefined) yield { message: `functions call each other: ${circle.join(' -> ')}` };
      }
    },
  },
} as const satisfies Record<string, Rule>;

function findCircle(
  fn: FunctionDef,
  byKey: ReadonlyMap<string, FunctionDef>,
  state: Map<FunctionDef, 'open' | 'done'>,
  path: readonly string[],
): string[] | undefined {
  const here = [...path, `${fn.domain}.${fn.name}`];
  if (state.get(fn) === 'open') return here;
  if (state.get(fn) === 'done') return undefined;
  state.set(fn, 'open');
  for (const node of allNodes(fn.nodes)) {
    const callee = byKey.get(keyOf(node.domain, node.op, node.overload));
    const circle = callee === undefined ? undefined : findCircle(callee, byKey, state, here);
    if (circle !== undefined) return circle;
  }
  state.set(fn, 'done');
  return undefined;
}

function* allNodes(nodes: readonly Node[]): Generator<Node> {
  for (const node of nodes) {
    yield node;
    for (const graph of subgraphsOf(node)) yield* allNodes(graph.nodes);
  }
}
