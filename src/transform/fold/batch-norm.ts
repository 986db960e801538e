import {
  bypass,
  constantOf,
  floatOf,
  type Graph,
  type GraphIndex,
  indexGraph,
  intOf,
  labelOf,
  type Model,
  makeNode,
  type Node,
  namer,
  Tensor,
  walkGraphs,
} from '../../graph/index.ts';
import { type Notes, REASSOCIATED, rewriting } from '../rewriting.ts';
import { type Types, typesOf } from '../types.ts';
import { type Affine, absorb, float32Of, linearBehind } from './affine.ts';

/**
 * A batch normalization with known statistics is y = a x + b per channel, with a = scale / sqrt(var + epsilon) and
 * b = bias - mean a (Ioffe and Szegedy 2015). It goes into the weights of the Conv, ConvTranspose, Gemm or MatMul before it.
 */
export const foldBatchNorm = rewriting({
  name: 'fold-batch-norm',
  summary: 'batch normalizations go into the weights of the layer before them',
  defaults: {},
  error: REASSOCIATED,
  rewrite(model, notes) {
    const fresh = namer(model.graph);
    let modified = false;
    for (const graph of walkGraphs(model.graph)) {
      const candidates = graph.nodes.filter((node) => node.op === 'BatchNormalization' && node.domain === '');
      if (candidates.length === 0) continue;
      const types = typesOf(model);
      for (const node of candidates) {
        const why = foldOne(model, graph, node, fresh, types);
        if (why === undefined) modified = true;
        else notes.refused(node, why);
        if (why === undefined) noteFolded(notes, node);
      }
    }
    return modified;
  },
});

function noteFolded(notes: Notes, node: Node): void {
  notes.changed(node, 'folded into the layer before it');
}

/** Folds one, or says why not. */
function foldOne(
  model: Model,
  graph: Graph,
  node: Node,
  fresh: (stem: string) => string,
  types: Types,
): string | undefined {
  const index = indexGraph(graph);
  const affine = affineOf(model, graph, index, node);
  if (typeof affine === 'string') return affine;
  const linear = linearBehind(graph, index, node.inputs[0]!);
  if (linear === undefined) return 'no layer with weights makes its input';
  if (typeof linear === 'string') return linear;
  if (linear.channels !== affine.scale.length) return 'its channels are not those of the layer before it';
  // A BatchNormalization counts channels on axis 1, a MatMul has them last.
  if (linear.node.op === 'MatMul' && types.shape(node.inputs[0]!)?.length !== 2) {
    return 'its input is not known to be a matrix';
  }
  if (linear.node.op === 'MatMul' && linear.add === undefined && affine.shift.some((value) => value !== 0)) {
    const name = fresh(`${labelOf(node)}_shift`);
    graph.initializers.set(name, Tensor.float32([linear.channels], Float32Array.from(affine.shift)));
    absorb(graph, linear, { scale: affine.scale, shift: new Float64Array(linear.channels) }, fresh);
    const place = graph.nodes.indexOf(node);
    graph.nodes[place] = makeNode(
      'Add',
      [node.inputs[0]!, name],
      [node.outputs[0]!],
      {},
      { name: node.name },
    );
    return undefined;
  }
  absorb(graph, linear, affine, fresh);
  bypass(graph, node, node.inputs[0]!);
  return undefined;
}

/** What a BatchNormalization does at inference, or why that is not known. */
export function affineOf(model: Model, graph: Graph, index: GraphIndex, node: Node): Affine | string {
  const opset = model.opsets.get('') ?? 1;
  const training = opset < 7 ? intOf(node, 'is_test', 0) === 0 : intOf(node, 'training_mode', 0) === 1;
  if (training) return 'it is in training mode';
  if (intOf(node, 'spatial', 1) !== 1) return 'it is not per channel (spatial=0)';
  const used = node.outputs
    .slice(1)
    .some((name) => name !== '' && (index.consumers.has(name) || index.outputs.has(name)));
  if (used) return 'its statistics are read';
  const [scale, bias, mean, variance] = node.inputs
    .slice(1)
    .map((name) => float32Of(constantOf(graph, name, index)));
  if (!scale || !bias || !mean || !variance) return 'its parameters are no float32 constants';
  const epsilon = floatOf(node, 'epsilon', 1e-5);
  const a = Float64Array.from(scale, (value, c) => value / Math.sqrt(variance[c]! + epsilon));
  const b = Float64Array.from(bias, (value, c) => value - mean[c]! * a[c]!);
  if (!a.every(Number.isFinite) || !b.every(Number.isFinite)) return 'its parameters are not finite';
  return { scale: a, shift: b };
}
