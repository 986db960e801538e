import { type Model, type Node, walkNodes } from '../../graph/index.ts';
import { executedGraph, type SessionSettings } from '../../run/index.ts';
import type { FusionReport, NodeFusion } from './fusion-report.ts';
import { silentFault, type Verdict, whyNotFused } from './fusion-rules.ts';
import { isDequantize, isQuantize, type MeantNode, QdqView } from './qdq-view.ts';
import { type Scope, scopesOf } from './scopes.ts';

/** A node that is not as it should be, with what a repair has to know. */
export interface Unfused {
  readonly scope: Scope;
  readonly meant: MeantNode;
  readonly verdict: Verdict;
}

/** Operators that compute on integers; each is what a quantized node is to become. */
const INTEGER_KERNELS: ReadonlySet<string> = new Set([
  'QLinearConv',
  'QLinearMatMul',
  'QGemm',
  'MatMulIntegerToFloat',
  'DynamicQuantizeMatMul',
  'DynamicQuantizeLSTM',
  'MatMulNBits',
  'QLinearAdd',
  'QLinearMul',
  'QLinearConcat',
  'QLinearWhere',
  'QLinearAveragePool',
  'QLinearGlobalAveragePool',
  'QLinearSigmoid',
  'QLinearLeakyRelu',
  'QLinearSoftmax',
  'NhwcMaxPool',
]);
/** Made by the dynamic and weight-only passes, without QuantizeLinear. */
const WRITTEN: ReadonlySet<string> = new Set([
  'MatMulInteger',
  'ConvInteger',
  'DynamicQuantizeLSTM',
  'MatMulNBits',
]);

/**
 * Reads the graph that ONNX Runtime really executes and says of every node that is meant to run on integers what became of it,
 * and where it did not fuse, which rule it breaks. Works on any model with QuantizeLinear and DequantizeLinear,
 * MatMulInteger or MatMulNBits. Throws what opening throws.
 */
export async function checkFusion(
  model: Model,
  settings: Partial<SessionSettings> = {},
): Promise<FusionReport> {
  return (await inspect(model, settings)).report;
}

/** As checkFusion, with the nodes that need repair. */
export async function inspect(
  model: Model,
  settings: Partial<SessionSettings> = {},
): Promise<{ report: FusionReport; unfused: Unfused[] }> {
  // Names survive at this level; the next one only changes layouts.
  const executed = await executedGraph(model, { ...settings, level: 'extended' });
  const byName = executedByName(executed);
  const integers = integerValues(executed);
  const nodes: NodeFusion[] = [];
  const unfused: Unfused[] = [];
  for (const scope of scopesOf(model)) {
    const view = new QdqView(scope);
    for (const meant of view.meant()) {
      const found = byName(meant.node.name);
      const ops = found.map(({ op }) => op);
      const { name, op } = meant.node;
      const fused =
        found.some((node) => INTEGER_KERNELS.has(node.op)) ||
        (meant.row?.kind === 'carrier' && found.every((node) => integers.has(node.inputs[0]!))) ||
        (meant.row !== undefined && found.length === 0);
      const fault = fused ? silentFault(meant, view) : undefined;
      if (fused && fault === undefined) nodes.push({ name, op, status: 'fused', executedAs: ops });
      else {
        const verdict = fault ?? whyNotFused(meant, view);
        nodes.push({ name, op, status: fused ? 'wrong' : 'not-fused', executedAs: ops, why: verdict.why });
        unfused.push({ scope, meant, verdict });
      }
    }
    for (const node of scope.graph.nodes)
      if (WRITTEN.has(node.op)) nodes.push(written(node, byName(node.name)));
  }
  return { report: { nodes, repaired: [], executed: countOps(executed) }, unfused };
}

function written({ name, op }: Node, found: readonly Node[]): NodeFusion {
  const ops = found.map((node) => node.op);
  if (found.some((node) => INTEGER_KERNELS.has(node.op)))
    return { name, op, status: 'fused', executedAs: ops };
  const why = `the runtime executes ${op} and the scaling behind it one by one`;
  return { name, op, status: 'not-fused', executedAs: ops, why };
}

/** Executed nodes by the name of the node they came from: its own, or with what the runtime appends. */
function executedByName(executed: Model): (name: string) => Node[] {
  const names = new Map<string, Node[]>();
  for (const node of walkNodes(executed.graph)) {
    // "MatMul_1/MatMulAddFusion/...": every prefix may be the name of the origin, which may hold slashes itself.
    const parts = node.name.split('/');
    for (let n = 1; n <= parts.length; n++) {
      const prefix = parts.slice(0, n).join('/');
      const known = names.get(prefix);
      if (known === undefined) names.set(prefix, [node]);
      else known.push(node);
    }
  }
  return (name) => {
    const found = names.get(name) ?? [];
    const exact = found.filter((node) => node.name === name);
    return (exact.length > 0 ? exact : found).filter((node) => !isQuantize(node) && !isDequantize(node));
  };
}

/** Values of 8 bits in an executed graph, followed from the nodes that make them. */
function integerValues(executed: Model): Set<string> {
  const values = new Set<string>();
  for (const { graph } of scopesOf(executed)) {
    for (const [name, tensor] of graph.initializers) {
      if (tensor.dtype === 'uint8' || tensor.dtype === 'int8') values.add(name);
    }
    for (const node of graph.nodes) {
      const carries = !INTEGER_KERNELS.has(node.op) && !isQuantize(node) && values.has(node.inputs[0] ?? '');
      const makes = isQuantize(node) || (node.op.startsWith('QLinear') && node.op !== 'QGemm');
      const gemm = node.op === 'QGemm' && node.inputs[7] !== undefined && node.inputs[7] !== '';
      if (makes || gemm || node.op === 'NhwcMaxPool' || (carries && !isDequantize(node))) {
        for (const name of node.outputs) values.add(name);
      }
    }
  }
  return values;
}

function countOps(executed: Model): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { op } of walkNodes(executed.graph)) counts[op] = (counts[op] ?? 0) + 1;
  return counts;
}
