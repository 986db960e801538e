import { type Node, opKey } from '../../../graph/index.ts';
import { type MeantNode, type QdqView, sameParams } from '../qdq-view.ts';

/** A QuantizeLinear on an activation with all that dequantizes it. */
export interface Pair {
  readonly quantizer: Node;
  readonly dequantizers: readonly Node[];
  /** The pair that stands for all which share its scale: the runtime demands, or gains by, equal parameters. */
  readonly root: Node;
  /** True where the value is on the grid of this scale already: what made it only moved numbers that were. */
  readonly idle: boolean;
  /** True where the range follows from a definition (Softmax, Sigmoid, a Clip that is to vanish): it must stay. */
  readonly fixed: boolean;
}

/** The pairs of a quantized graph, and which of them share a scale. */
export function pairsOf(view: QdqView): Pair[] {
  const parent = new Map<Node, Node>();
  const root = (node: Node): Node => {
    const up = parent.get(node);
    return up === undefined ? node : root(up);
  };
  const join = (a: Node, b: Node) => {
    if (root(a) !== root(b)) parent.set(root(a), root(b));
  };
  const idle = new Set<Node>();
  const fixed = new Set<Node>();
  const meant = view.meant();
  for (const one of meant) {
    for (const output of [one.output, ...one.node.outputs.slice(1)]) {
      for (const q of view.quantizers(output)) {
        const shared = sharedWith(view, one, q);
        for (const other of shared) join(other, q);
        const inputs = sourcesOf(view, one.node);
        const moves = one.row?.kind === 'carrier' || opKey(one.node) === 'Concat';
        if (moves && inputs.length > 0 && shared.length === inputs.length) idle.add(q);
        if (one.row?.outputRange !== undefined || Number.isFinite(one.bounds?.high)) fixed.add(q);
      }
    }
  }
  for (const [a, b] of sharedBiases(view)) join(a, b);
  const quantizers = view.graph.nodes.filter(
    (node) => node.op === 'QuantizeLinear' && view.params(node)?.scale.size === 1,
  );
  // A scale is as fixed as the least free of those that share it.
  const fixedRoots = new Set([...fixed].map(root));
  return quantizers.map((quantizer) => ({
    quantizer,
    dequantizers: (view.index.consumers.get(quantizer.outputs[0]!) ?? []).filter(
      ({ op }) => op === 'DequantizeLinear',
    ),
    root: root(quantizer),
    idle: idle.has(quantizer),
    fixed: fixedRoots.has(root(quantizer)),
  }));
}

/** The QuantizeLinear nodes behind a node's inputs. */
function sourcesOf(view: QdqView, node: Node): Node[] {
  return node.inputs.flatMap((input) => {
    const dq = view.dequantizer(input);
    const q = dq && view.source(dq);
    return q === undefined ? [] : [q];
  });
}

/** Of the pairs before a node that moves numbers or puts them side by side, those with the parameters of the pair behind it. */
function sharedWith(view: QdqView, { node, row }: MeantNode, q: Node): Node[] {
  if (row?.kind !== 'carrier' && opKey(node) !== 'Concat') return [];
  const params = view.params(q);
  return sourcesOf(view, node).filter((source) => {
    const other = view.params(source);
    return params !== undefined && other !== undefined && sameParams(params, other);
  });
}

/** Inputs whose nodes read one int32 bias: its scale is the product of theirs and the weight's, so theirs must stay equal. */
function sharedBiases(view: QdqView): [Node, Node][] {
  const joined: [Node, Node][] = [];
  for (const dq of view.graph.nodes) {
    if (dq.op !== 'DequantizeLinear' || view.constant(dq.inputs[0])?.dtype !== 'int32') continue;
    const readers = view.index.consumers.get(dq.outputs[0]!) ?? [];
    const sources = readers.flatMap((reader) => biased(view, reader)?.source ?? []);
    for (const source of sources.slice(1)) joined.push([sources[0]!, source]);
  }
  return joined;
}

/** The layer that a reader of a bias belongs to: itself, or the MatMul before the Add. */
export function biased(view: QdqView, reader: Node): { layer: Node; source: Node | undefined } | undefined {
  const layer =
    reader.op === 'Add'
      ? reader.inputs
          .map((input) => view.index.producers.get(input))
          .find((maker) => maker?.op === 'MatMul' && maker.domain === '')
      : reader;
  if (layer === undefined) return undefined;
  const dq = view.dequantizer(layer.inputs[0]);
  return { layer, source: dq && view.source(dq) };
}
