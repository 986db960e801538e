import {
  costOf,
  indexGraph,
  inferShapes,
  labelOf,
  type Model,
  type ModelCost,
  type NodeCost,
} from '../graph/index.ts';
import type { Feeds } from '../run/index.ts';
import { thisMachine } from './machine.ts';
import type { Measurement } from './record.ts';
import { recorder, type Settings } from './recorder.ts';

/** One layer's work. */
export interface LayerCost extends NodeCost {
  /** Its arithmetic is in 8-bit integers: an integer operator, or one between DequantizeLinear and QuantizeLinear. */
  readonly integer: boolean;
}

export interface WorkReport {
  /** parameters, macs, flops, bytes.weights, bytes.activations: of one run. */
  readonly records: Measurement[];
  readonly layers: readonly LayerCost[];
  readonly total: ModelCost['total'];
  /** Of `total.macs`, those in 8-bit integers. */
  readonly integerMacs: number;
  /** Layers that no rule counts: the totals lack them. */
  readonly unknown: ModelCost['unknown'];
}

const INTEGER_OPS = new Set([
  'ConvInteger',
  'MatMulInteger',
  'QLinearConv',
  'QLinearMatMul',
  'com.microsoft:MatMulIntegerToFloat',
  'com.microsoft:DynamicQuantizeMatMul',
  'com.microsoft:QGemm',
  'com.microsoft:QLinearConv',
  'com.microsoft:QAttention',
  'com.microsoft:DynamicQuantizeLSTM',
]);

/**
 * Parameters, multiply-accumulates and bytes of one run of a model, in all and by layer, counted from the shapes that
 * these feeds give it. Throws SHAPE_MISMATCH where the feeds cannot be.
 */
export function countWork(
  model: Model,
  feeds: Feeds,
  options: { settings?: Settings; machine?: string } = {},
): WorkReport {
  const inputShapes = Object.fromEntries(Object.entries(feeds).map(([name, { dims }]) => [name, dims]));
  const cost = costOf(model, inferShapes(model, { inputShapes, inputValues: smallOf(feeds), strict: false }));
  const integers = integerNodes(model);
  const layers = cost.nodes.map((node) => ({
    ...node,
    integer: INTEGER_OPS.has(node.op) || integers.has(node.node),
  }));
  const integerMacs = layers.reduce((sum, { integer, macs }) => sum + (integer ? macs : 0), 0);
  const record = recorder(options.machine ?? thisMachine(), options.settings);
  const missing =
    cost.unknown.length === 0
      ? ''
      : `; without ${cost.unknown.length} layers of unknown work, so that it is a lower bound`;
  const count = (what: string, value: number, unit: string, method: string) =>
    record({ what, value, unit, how: 'modelled', method: `${method}${missing}.`, n: 1 });
  const { total } = cost;
  return {
    records: [
      count('parameters', total.parameters, '1', 'Elements of the weights, shared ones once'),
      count(
        'macs',
        total.macs,
        '1',
        'Multiply-accumulates of one run, by the rule of each operator and the shapes of its tensors',
      ),
      count('flops', total.flops, '1', 'Operations of one run, two for a multiply-accumulate'),
      count(
        'bytes.weights',
        total.weightBytes,
        'B',
        'Bytes of the weights that a run reads, shared ones once',
      ),
      count(
        'bytes.activations',
        total.activationBytes,
        'B',
        'Bytes of the values that the layers read and write, before any fusion',
      ),
    ],
    layers,
    total,
    integerMacs,
    unknown: cost.unknown,
  };
}

/** Inputs whose values may decide shapes: whole numbers, few of them. */
function smallOf(feeds: Feeds) {
  return Object.fromEntries(
    Object.entries(feeds).filter(
      ([, { dtype, size }]) => size <= 64 && (dtype === 'int64' || dtype === 'int32' || dtype === 'bool'),
    ),
  );
}

/** Nodes that read two or more dequantized tensors, as a quantized Conv, MatMul or Gemm in QDQ form does. */
function integerNodes(model: Model): Set<string> {
  const { producers } = indexGraph(model.graph);
  const labels = new Set<string>();
  for (const node of model.graph.nodes) {
    const dequantized = node.inputs.filter((name) => producers.get(name)?.op === 'DequantizeLinear');
    if (dequantized.length >= 2) labels.add(labelOf(node));
  }
  return labels;
}
