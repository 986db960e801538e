import {
  constantOf,
  floatOf,
  indexGraph,
  intOf,
  type Model,
  type Node,
  type Tensor,
} from '../../graph/index.ts';

/** A MatMul or Gemm of the main graph that multiplies activations with a constant matrix. */
export interface LinearLayer {
  readonly node: Node;
  /** The value [..., K] that it multiplies. */
  readonly input: string;
  /** The constant, float32: [K, N], or [N, K] if transposed. */
  readonly weight: string;
  readonly tensor: Tensor;
  readonly transposed: boolean;
  readonly k: number;
  readonly n: number;
}

/** The layers in graph order; those of fewer weights than `least` are left out. */
export function linearLayers(model: Model, least = 1): LinearLayer[] {
  const index = indexGraph(model.graph);
  return model.graph.nodes.flatMap((node): LinearLayer[] => {
    if (node.domain !== '' || (node.op !== 'MatMul' && node.op !== 'Gemm')) return [];
    const gemm = node.op === 'Gemm';
    if (gemm && (intOf(node, 'transA', 0) !== 0 || floatOf(node, 'alpha', 1) !== 1)) return [];
    const [input = '', weight = ''] = node.inputs;
    const tensor = constantOf(model.graph, weight, index);
    if (tensor?.dtype !== 'float32' || tensor.dims.length !== 2) return [];
    if (tensor.size < least || tensor.size === 0) return [];
    if (constantOf(model.graph, input, index) !== undefined) return [];
    const transposed = gemm && intOf(node, 'transB', 0) !== 0;
    const [first, second] = tensor.dims as [number, number];
    const [k, n] = transposed ? [second, first] : [first, second];
    return [{ node, input, weight, tensor, transposed, k, n }];
  });
}
