import { type Graph, intOf, type Model, type Node, Tensor, walkGraphs } from '../../graph/index.ts';
import { isDequantize, isQuantize, type QdqView } from './qdq-view.ts';
import { channelLayout, type QuantizedConstant } from './weights.ts';

/** The float32 tensor that a DequantizeLinear makes of a constant; undefined for types and layouts that it does not know. */
export function dequantizeConstant(view: QdqView, dq: Node): Tensor | undefined {
  const stored = view.constant(dq.inputs[0]);
  const params = view.params(dq);
  if (stored === undefined || params === undefined || params.scale.dtype !== 'float32') return undefined;
  if (!['int8', 'uint8', 'int32'].includes(stored.dtype)) return undefined;
  const rank = stored.dims.length;
  const axis = params.scale.size > 1 ? (intOf(dq, 'axis', 1) + rank) % rank : undefined;
  if (axis !== undefined && params.scale.size !== stored.dims[axis]) return undefined;
  const zeroPoint = params.zeroPoint ?? Tensor.of('uint8', [], new Uint8Array(1));
  return dequantizeWeight({ values: stored, scale: params.scale, zeroPoint, axis });
}

/** The float32 tensor that a quantized constant stands for. */
export function dequantizeWeight({ values, scale, zeroPoint, axis }: QuantizedConstant): Tensor {
  const q = values.data() as Int8Array | Uint8Array | Int32Array;
  const scales = scale.as('float32');
  const zeros = zeroPoint.numbers();
  const { channels, inner } = channelLayout(values.dims, axis);
  const real = new Float32Array(q.length);
  for (let i = 0; i < real.length; i++) {
    const channel = axis === undefined ? 0 : Math.floor(i / inner) % channels;
    real[i] = (q[i]! - (zeros[channel] ?? 0)) * scales[channel]!;
  }
  return Tensor.float32(values.dims, real);
}

/**
 * Activations of int8 become uint8 of the same real values (zero points 128 higher), in place. Weights stay int8. What x64 runs
 * in any case; done in the model it is done to all readers of a value.
 */
export function toUint8Activations(model: Model): void {
  for (const graph of walkGraphs(model.graph)) {
    const moved = new Set<string>();
    const quantized = new Set<string>();
    const shift = (node: Node) => {
      const zero = graph.initializers.get(node.inputs[2] ?? '');
      if (zero?.dtype !== 'int8') return;
      const name = `${node.inputs[2]}_u8`;
      const values = Uint8Array.from(zero.as('int8'), (value) => value + 128);
      graph.initializers.set(name, Tensor.of('uint8', zero.dims, values));
      node.inputs[2] = name;
      moved.add(node.outputs[0]!);
    };
    for (const node of graph.nodes) {
      if (!isQuantize(node)) continue;
      quantized.add(node.outputs[0]!);
      shift(node);
    }
    for (const node of graph.nodes) {
      if (isDequantize(node) && quantized.has(node.inputs[0]!)) shift(node);
      else if (isDequantize(node) && !isWeight(graph, node)) shiftOperand(graph.initializers, node);
    }
  }
}

/** True for what Conv, MatMul and Gemm multiply with: it stays int8, whatever the activations are. */
function isWeight(graph: Graph, dq: Node): boolean {
  const readers = graph.nodes.filter((node) => node.inputs.includes(dq.outputs[0]!));
  return readers.every(({ op, inputs }) => PRODUCTS.has(op) && inputs[0] !== dq.outputs[0]);
}

const PRODUCTS: ReadonlySet<string> = new Set(['Conv', 'MatMul', 'Gemm']);

/** A constant operand of Add, Mul and the like follows its neighbour. */
function shiftOperand(initializers: Map<string, Tensor>, dq: Node): void {
  const stored = initializers.get(dq.inputs[0]!);
  const zero = initializers.get(dq.inputs[2] ?? '');
  if (stored?.dtype !== 'int8' || zero?.dtype !== 'int8' || zero.size !== 1 || zero.numbers()[0] === 0)
    return;
  const [values, zeros] = [stored, zero].map((tensor) =>
    Tensor.of(
      'uint8',
      tensor.dims,
      Uint8Array.from(tensor.as('int8'), (value) => value + 128),
    ),
  ) as [Tensor, Tensor];
  const names = [`${dq.inputs[0]}_u8`, `${dq.inputs[2]}_u8`] as const;
  initializers.set(names[0], values);
  initializers.set(names[1], zeros);
  dq.inputs = [names[0], dq.inputs[1]!, names[1]];
}
