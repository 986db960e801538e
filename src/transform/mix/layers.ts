import { constantOf, floatOf, indexGraph, intOf, type Model, type Node } from '../../graph/index.ts';
import { findSites, type Site } from '../quantize/sites.ts';
import { withNames } from '../quantize/static.ts';
import { whyFloat } from './half-rules.ts';
import type { Precision } from './precision.ts';

/** Nodes that change their precision together. */
export interface MixLayer {
  /** Name of its first node. */
  readonly id: string;
  /** Heavy nodes by name, in graph order: one, or those that read the same weight. */
  readonly nodes: readonly string[];
  /** What the runtime fuses into them (the Add of a bias, a Relu or Clip), by name. */
  readonly tail: readonly string[];
  readonly op: string;
  /** What it can run in, by the rules alone; fp32 always. */
  readonly precisions: readonly Precision[];
  /** Elements of its weights. */
  readonly weights: number;
}

/** Operators with weights or products that cost most of a model. */
const HEAVY: ReadonlySet<string> = new Set(['Conv', 'ConvTranspose', 'Gemm', 'MatMul', 'LSTM', 'GRU', 'RNN']);

/** A node whose precision an assignment may name. */
export function isHeavy({ op, domain }: Node): boolean {
  return domain === '' && HEAVY.has(op);
}

export interface LayerOptions {
  /** Weights of fewer elements are not worth 4 bits. Default 1024, as the weight-only pass has it. */
  readonly least?: number;
}

/**
 * The layers of the main graph whose precision can be chosen, in graph order; nodes without a name have the one that the passes
 * give them. Light nodes are in none: they follow what makes their inputs.
 */
export function mixLayers(model: Model, options: LayerOptions = {}): MixLayer[] {
  const { least = 1024 } = options;
  const named = withNames(model);
  const { graph } = named;
  const index = indexGraph(graph);
  const opset = named.opsets.get('') ?? 1;
  const sites = new Map<Node, Site>();
  for (const site of findSites(named).sites) if (site.row.kind === 'compute') sites.set(site.node, site);
  const byWeight = new Map<string, Node[]>();
  for (const node of graph.nodes) {
    if (!isHeavy(node)) continue;
    const weight = node.inputs[1] ?? '';
    const key = constantOf(graph, weight, index) === undefined ? `node ${node.name}` : `weight ${weight}`;
    const members = byWeight.get(key);
    if (members === undefined) byWeight.set(key, [node]);
    else members.push(node);
  }
  const layers: MixLayer[] = [];
  for (const members of byWeight.values()) {
    const tails = members.map((node) => sites.get(node)?.tail ?? []);
    const all = (can: (node: Node) => boolean) => members.every(can);
    const precisions: Precision[] = ['fp32'];
    if (all((node) => whyFloat(node, opset) === undefined)) precisions.push('fp16');
    if (opset >= 13 && all((node) => sites.has(node))) precisions.push('int8');
    if (all((node) => blocksFit(node, (name) => constantOf(graph, name, index), least)))
      precisions.push('int4');
    const weight = constantOf(graph, members[0]!.inputs[1] ?? '', index);
    layers.push({
      id: members[0]!.name,
      nodes: members.map(({ name }) => name),
      tail: tails.flatMap((tail) => tail.map(({ name }) => name)),
      op: members[0]!.op,
      precisions,
      weights: weight?.size ?? 0,
    });
  }
  return layers;
}

/** Whether the weight-only pass can write a node with weights in blocks (its own refusals, asked beforehand). */
function blocksFit(
  node: Node,
  constant: (name: string) => ReturnType<typeof constantOf>,
  least: number,
): boolean {
  if (node.op !== 'MatMul' && node.op !== 'Gemm') return false;
  const weight = constant(node.inputs[1]!);
  if (weight?.dtype !== 'float32' || weight.dims.length !== 2 || weight.size < least) return false;
  if (node.op === 'MatMul') return true;
  const scaled = floatOf(node, 'alpha', 1) !== 1 || (node.inputs[2] && floatOf(node, 'beta', 1) !== 1);
  return !scaled && intOf(node, 'transA', 0) === 0;
}
