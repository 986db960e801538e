import { intOf, type Model, type Node, Tensor } from '../../../graph/index.ts';
import { dequantizeConstant } from '../fusion-rewrite.ts';
import { rangeOf, roundHalfEven } from '../numbers.ts';
import { type MeantNode, QdqView } from '../qdq-view.ts';
import type { Bounds } from '../sites.ts';
import type { WeightNumbers } from './learnable-qdq.ts';

export interface LayerBias {
  /** float32. */
  readonly tensor: Tensor;
  /** Initializer of the quantized model that holds it in int32, and its scale; undefined where it is not stored so, or shared. */
  readonly stored: { readonly codes: string; readonly scale: Tensor } | undefined;
}

/** A layer of a model of static quantization whose weight may be rounded otherwise. */
export interface RoundableLayer {
  /** Conv, Gemm or MatMul of the quantized model. */
  readonly node: Node;
  /** The value of the quantized model that it multiplies: dequantized. */
  readonly input: string;
  /** The value of the float model that it is to give, behind the bias and the Relu or Clip that belong to it. */
  readonly target: string;
  /** float32, before it was rounded. */
  readonly weight: Tensor;
  /** Initializer of the quantized model that holds its numbers, int8 of zero point 0 in the weight's shape. */
  readonly codes: string;
  /** float32, of one element, or one for each element of `axis`. */
  readonly scale: Tensor;
  readonly axis: number | undefined;
  readonly low: number;
  readonly high: number;
  /** What is added, one number a channel. */
  readonly bias: LayerBias | undefined;
  /** What a Relu or Clip leaves. */
  readonly bounds: Bounds | undefined;
}

/**
 * The layers in graph order. `quantized` is what static quantization made of `float`, with the same node names. A weight that
 * two layers share is left out: what is best for one is not for the other.
 */
export function roundableLayers(
  quantized: Model,
  float: Model,
  { bits, reduce }: WeightNumbers,
): RoundableLayer[] {
  const view = new QdqView({ graph: quantized.graph, outer: undefined });
  const range =
    bits === 4 ? rangeOf('int4', { symmetric: true }) : rangeOf('int8', { symmetric: true, reduce });
  const byName = new Map(float.graph.nodes.map((node) => [node.name, node]));
  return view.meant().flatMap((meant): RoundableLayer[] => {
    const found = weightOf(view, meant, byName, float);
    const last = byName.get((meant.tail.at(-1) ?? meant.node).name);
    if (found === undefined || last === undefined) return [];
    return [
      {
        ...found,
        node: meant.node,
        input: meant.node.inputs[0]!,
        target: last.outputs[0]!,
        low: range.min,
        high: range.max,
        bias: biasOf(view, meant),
        bounds: meant.bounds,
      },
    ];
  });
}

function weightOf(
  view: QdqView,
  { node, row }: MeantNode,
  byName: ReadonlyMap<string, Node>,
  float: Model,
): Pick<RoundableLayer, 'weight' | 'codes' | 'scale' | 'axis'> | undefined {
  if (row?.kind !== 'compute') return undefined;
  const dq = view.dequantizer(node.inputs[1]);
  const codes = dq && view.constant(dq.inputs[0]);
  const params = dq && view.params(dq);
  if (codes?.dtype !== 'int8' || params?.scale.dtype !== 'float32') return undefined;
  if (view.index.consumers.get(dq!.outputs[0]!)?.length !== 1) return undefined;
  const weight = float.graph.initializers.get(byName.get(node.name)?.inputs[1] ?? '');
  if (weight?.dtype !== 'float32' || String(weight.dims) !== String(codes.dims)) return undefined;
  const rank = weight.dims.length;
  const { scale } = params;
  const axis = scale.size > 1 ? (intOf(dq!, 'axis', 1) + rank) % rank : undefined;
  return { weight, codes: dq!.inputs[0]!, scale, axis };
}

/** Writes other numbers for a layer into the quantized model, in place: its weight, and its bias where one is given. */
export function writeRounded(
  model: Model,
  { codes, weight, bias }: RoundableLayer,
  numbers: Int8Array,
  real: Float32Array | undefined,
): void {
  const { initializers } = model.graph;
  initializers.set(codes, Tensor.of('int8', weight.dims, numbers));
  if (real === undefined || bias?.stored === undefined) return;
  // Its scale, the product of those of input and weight, stays.
  const scales = bias.stored.scale.as('float32');
  const whole = Int32Array.from(real, (value, i) => {
    const steps = roundHalfEven(value / scales[scales.length > 1 ? i : 0]!);
    return Math.min(INT32_MAX, Math.max(-INT32_MAX, steps));
  });
  initializers.set(bias.stored.codes, Tensor.of('int32', bias.tensor.dims, whole));
}

const INT32_MAX = 2 ** 31 - 1;

function biasOf(view: QdqView, { node, tail }: MeantNode): LayerBias | undefined {
  const [holder, slot] =
    node.op === 'MatMul' && tail[0]?.op === 'Add'
      ? [tail[0], tail[0].inputs[0] === node.outputs[0] ? 1 : 0]
      : [node, 2];
  const value = node.op === 'MatMul' && holder === node ? '' : (holder.inputs[slot] ?? '');
  const dq = view.dequantizer(value);
  const tensor = dq === undefined ? view.constant(value) : dequantizeConstant(view, dq);
  if (tensor === undefined) return undefined;
  const scale = dq && view.params(dq)?.scale;
  const alone = view.index.consumers.get(value)?.length === 1;
  const stored = alone && scale ? { codes: dq.inputs[0]!, scale } : undefined;
  return { tensor, stored };
}
