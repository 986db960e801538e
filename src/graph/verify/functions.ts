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
        const seen = new Set<string>();
        const twice = names.find((name) => seen.has(name) || !seen.add(name));
        if (twice !== undefined) yield { message: `${side} "${twice}" is listed twice`, value: twice };
      }
    },
  },
  'functions-end': {
    what: 'No function calls itself, directly or through others.',
    *model({ functions }) {
      const byKey = new Map(functions.map((fn) => [keyOf(fn.domain, fn.name, fn.overload), fn]));
      const callees = (fn: FunctionDef) =>
        [...allNodes(fn.nodes)].flatMap(
          ({ domain, op, overload }) => byKey.get(keyOf(domain, op, overload)) ?? [],
        );
      const state = new Map<FunctionDef, 'open' | 'done'>();
      for (const fn of functions) {
        const circle = findCircle(fn, callees, state);
        if (circle !== undefined) {
          const names = circle.map(({ domain, name }) => `${domain}.${name}`);
          yield { message: `functions call each other: ${names.join(' -> ')}` };
        }
      }
    },
  },
} as const satisfies Record<string, Rule>;

/** Depth first, with a stack of its own: chains of calls may be longer than the machine's. */
function findCircle(
  start: FunctionDef,
  callees: (fn: FunctionDef) => FunctionDef[],
  state: Map<FunctionDef, 'open' | 'done'>,
): FunctionDef[] | undefined {
  if (state.has(start)) return undefined;
  const stack = [{ fn: start, todo: callees(start) }];
  state.set(start, 'open');
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const next = top.todo.pop();
    if (next === undefined) {
      state.set(top.fn, 'done');
      stack.pop();
    } else if (state.get(next) === 'open') {
      for (const { fn } of stack) state.set(fn, 'done');
      return [...stack.slice(stack.findIndex(({ fn }) => fn === next)).map(({ fn }) => fn), next];
    } else if (!state.has(next)) {
      state.set(next, 'open');
      stack.push({ fn: next, todo: callees(next) });
    }
  }
  return undefined;
}

function* allNodes(nodes: readonly Node[]): Generator<Node> {
  for (const node of nodes) {
    yield node;
    for (const graph of subgraphsOf(node)) yield* allNodes(graph.nodes);
  }
}
