import {
  bypass,
  constantOf,
  floatOf,
  type Graph,
  type GraphIndex,
  indexGraph,
  intOf,
  intsOf,
  type Node,
  namer,
  soleConsumer,
  stringOf,
  Tensor,
  walkGraphs,
} from '../../graph/index.ts';
import { REASSOCIATED, rewriting } from '../rewriting.ts';
import { float32Of, spread } from './affine.ts';
import { affineOf } from './batch-norm.ts';

/**
 * A batch normalization before a layer: W (a x + b) + c = (W a) x + (W b + c). At the edges of a padded convolution the
 * zeros are not normalized, so there it folds only where b is 0.
 */
export const foldBatchNormBefore = rewriting({
  name: 'fold-batch-norm-before',
  summary: 'batch normalizations go into the weights of the layer after them',
  defaults: {},
  error: REASSOCIATED,
  rewrite(model, notes) {
    const fresh = namer(model.graph);
    let modified = false;
    for (const graph of walkGraphs(model.graph)) {
      for (const node of graph.nodes.filter((one) => one.op === 'BatchNormalization' && one.domain === '')) {
        const index = indexGraph(graph);
        const layer = soleConsumer(index, node.outputs[0]!);
        if (layer?.domain !== '' || (layer.op !== 'Conv' && layer.op !== 'Gemm')) continue;
        const affine =
          layer.inputs[0] === node.outputs[0] ? affineOf(model, graph, index, node) : 'it is no data input';
        const why =
          typeof affine === 'string' ? affine : fold(graph, index, layer, affine.scale, affine.shift, fresh);
        if (why !== undefined) {
          notes.refused(node, why);
          continue;
        }
        bypass(graph, node, node.inputs[0]!);
        notes.changed(node, `folded into ${layer.name || layer.outputs[0]} after it`);
        modified = true;
      }
    }
    return modified;
  },
});

/** Puts scale and shift of the input channels into a layer; says why it cannot. */
function fold(
  graph: Graph,
  index: GraphIndex,
  layer: Node,
  scale: Float64Array,
  shift: Float64Array,
  fresh: (stem: string) => string,
): string | undefined {
  const weight = constantOf(graph, layer.inputs[1]!, index);
  const values = float32Of(weight);
  if (weight === undefined || values === undefined) return `the weight of ${layer.op} is no float32 constant`;
  const conv = layer.op === 'Conv';
  if (conv && shift.some((value) => value !== 0) && pads(layer)) return 'the Conv after it pads with zeros';
  if (!conv && intOf(layer, 'transA', 0) === 1) return 'the Gemm after it turns its input around';
  const byRow = conv || intOf(layer, 'transB', 0) === 1;
  const [rows, columns] = [weight.dims[0]!, weight.dims[1]!];
  const outputs = byRow ? rows : columns;
  const group = conv ? intOf(layer, 'group', 1) : 1;
  if (scale.length !== (byRow ? columns : rows) * group)
    return 'its channels are not those of the layer after it';
  const given = layer.inputs[2] ?? '';
  const tensor = constantOf(graph, given, index);
  const bias = tensor && spread(tensor, outputs, 0);
  if (given !== '' && bias === undefined) return `the bias of ${layer.op} is not one float32 per channel`;
  const [alpha, beta] = conv ? [1, 1] : [floatOf(layer, 'alpha', 1), floatOf(layer, 'beta', 1)];
  const sums = Float64Array.from({ length: outputs }, (_, o) => (bias?.[o] ?? 0) * beta);
  const scaled = new Float32Array(values.length);
  const inner = values.length / (rows * columns);
  for (let i = 0, at = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      const [output, input] = byRow ? [i, Math.floor((i * group) / rows) * columns + j] : [j, i];
      for (let k = 0; k < inner; k++, at++) {
        scaled[at] = values[at]! * scale[input]!;
        sums[output]! += alpha * values[at]! * shift[input]!;
      }
    }
  }
  const put = (place: number, stem: string, value: Tensor) => {
    const name = fresh(stem);
    graph.initializers.set(name, value);
    layer.inputs[place] = name;
  };
  put(1, `${layer.inputs[1]}_folded`, Tensor.float32(weight.dims, scaled));
  if (given !== '' || sums.some((sum) => sum !== 0)) {
    put(
      2,
      `${given || `${layer.inputs[1]}_bias`}_folded`,
      Tensor.float32([outputs], Float32Array.from(sums)),
    );
    layer.attributes.delete('beta');
  }
  return undefined;
}

function pads(conv: Node): boolean {
  const automatic = stringOf(conv, 'auto_pad', 'NOTSET');
  return (
    automatic.startsWith('SAME') ||
    (automatic === 'NOTSET' && (intsOf(conv, 'pads')?.some((p) => p !== 0) ?? false))
  );
}
