import {
  type Attribute,
  type Graph,
  indexGraph,
  isPure,
  type Node,
  removeNodes,
  replaceUses,
  type Tensor,
  walkGraphs,
} from '../../graph/index.ts';
import { isDeterministic } from '../determinism.ts';
import { EXACT, rewriting } from '../rewriting.ts';

/** Equal nodes with equal inputs compute the same: the later ones go. Equal weights are held once. */
export const commonSubexpressions = rewriting({
  name: 'common-subexpressions',
  summary: 'what is computed or held twice is computed and held once',
  defaults: {},
  error: EXACT,
  rewrite({ graph: outer }, notes) {
    let modified = false;
    for (const graph of walkGraphs(outer)) {
      modified = mergeWeights(graph) || modified;
      const outputs = indexGraph(graph).outputs;
      const seen = new Map<string, Node>();
      const ids = new Map<Tensor, number>();
      const gone: Node[] = [];
      for (const node of graph.nodes) {
        const key = keyOf(node, ids);
        if (key === undefined) continue;
        const first = seen.get(key);
        if (first === undefined) {
          seen.set(key, node);
          continue;
        }
        const clash = node.outputs.some((name, i) => name !== '' && (outputs.has(name) || !first.outputs[i]));
        if (clash) continue;
        for (const [i, name] of node.outputs.entries()) {
          if (name !== '') replaceUses(graph, name, first.outputs[i]!);
        }
        gone.push(node);
        notes.changed(node, `the same as ${first.name || first.outputs[0]}`);
      }
      removeNodes(graph, gone);
      modified ||= gone.length > 0;
    }
    return modified;
  },
});

/** Nodes of equal keys are equal; undefined where that cannot be said. */
function keyOf(node: Node, ids: Map<Tensor, number>): string | undefined {
  if (!isPure(node) || !isDeterministic(node)) return undefined;
  const attributes: [string, string][] = [];
  for (const [name, attribute] of node.attributes) {
    const value = textOf(attribute, ids);
    if (value === undefined) return undefined;
    attributes.push([name, value]);
  }
  attributes.sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([node.domain, node.op, node.overload ?? '', node.inputs, attributes]);
}

function textOf(attribute: Attribute, ids: Map<Tensor, number>): string | undefined {
  const { type, value } = attribute;
  switch (type) {
    case 'float':
    case 'int':
      return `${type} ${Object.is(value, -0) ? '-0' : value}`;
    case 'string':
      return `${type} ${typeof value === 'string' ? value : [...value].join(' ')}`;
    case 'floats':
    case 'ints':
      return `${type} ${value.map((item) => (Object.is(item, -0) ? '-0' : item)).join(' ')}`;
    case 'tensor':
      if (!ids.has(value)) ids.set(value, ids.size);
      return `${type} ${ids.get(value)}`;
    default:
      return undefined;
  }
}

/** Weights up to this size are compared; larger ones seldom repeat, and reading them costs. */
const MOST_BYTES = 1 << 20;

function mergeWeights(graph: Graph): boolean {
  const { outputs } = indexGraph(graph);
  const inputs = new Set(graph.inputs.map(({ name }) => name));
  const groups = new Map<string, string[]>();
  let modified = false;
  for (const [name, tensor] of [...graph.initializers]) {
    if (outputs.has(name) || inputs.has(name) || tensor.lazy) continue;
    if (tensor.dtype === 'string' || tensor.byteLength > MOST_BYTES) continue;
    const bytes = tensor.bytes();
    const key = `${tensor.dtype} ${tensor.dims.join()} ${hashOf(bytes)}`;
    const group = groups.get(key) ?? [];
    const same = group.find((other) => equal(graph.initializers.get(other)!.bytes(), bytes));
    if (same === undefined) {
      group.push(name);
      groups.set(key, group);
      continue;
    }
    replaceUses(graph, name, same);
    graph.initializers.delete(name);
    graph.initializerMetadata?.delete(name);
    modified = true;
  }
  return modified;
}

/** FNV-1a, 32 bits: equal bytes have equal hashes; the bytes themselves decide. */
function hashOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && a.every((byte, i) => byte === b[i]);
}
