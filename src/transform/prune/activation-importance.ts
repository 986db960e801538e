import type { Dataset } from '../../data/index.ts';
import { type GraphIndex, indexGraph, intOf, type Model, type Node, sizeOf } from '../../graph/index.ts';
import { type ObserveOptions, observe } from '../quantize/calibrate/observe.ts';
import type { PruneGroups } from './group.ts';
import { type UnitScores, unitScores } from './scores.ts';

/** A weight, and what it is multiplied with: axis `read` of the weight meets axis `axis` of the value. */
interface Product {
  readonly weight: string;
  readonly read: number;
  readonly value: string;
  readonly axis: number;
}

/**
 * Scores from what units do to the layers that read them: the size of a weight times the root mean square of the
 * channel that it meets, as in Wanda (Sun et al., 2023), over the samples. Counts all Conv (of one group), Gemm and MatMul
 * with a constant weight; groups that none of them reads (the insides of queries and keys, say) get no scores.
 */
export async function activationImportance(
  model: Model,
  groups: PruneGroups,
  dataset: Dataset,
  options: ObserveOptions = {},
): Promise<UnitScores> {
  const index = indexGraph(model.graph);
  const products = model.graph.nodes.flatMap((node) => productOf(model, node, groups, index) ?? []);
  const axes = new Map(products.map(({ value, axis }) => [value, axis]));
  const sums = new Map<string, { squares: Float64Array; count: number }>();
  const values = [...axes.keys()];
  if (values.length > 0) {
    await observe(
      model,
      dataset,
      values,
      (value, tensor) => {
        const { dims } = tensor;
        const axis = axes.get(value)! < 0 ? dims.length - 1 : axes.get(value)!;
        const [size, inner] = [dims[axis]!, sizeOf(dims.slice(axis + 1))];
        const own = sums.get(value) ?? { squares: new Float64Array(size), count: 0 };
        const data = tensor.as('float32');
        for (let at = 0; at < data.length; at++)
          own.squares[Math.floor(at / inner) % size]! += data[at]! ** 2;
        own.count += data.length / size;
        sums.set(value, own);
      },
      options,
    );
  }
  const byWeight = new Map(products.map((product) => [product.weight, product]));
  return unitScores(
    model,
    groups,
    (name) => {
      const product = byWeight.get(name);
      const seen = product && sums.get(product.value);
      if (product === undefined || seen === undefined) return undefined;
      const { dims } = model.graph.initializers.get(name)!;
      const [size, inner] = [dims[product.read]!, sizeOf(dims.slice(product.read + 1))];
      const roots = seen.squares.map((sum) => Math.sqrt(sum / seen.count));
      return model.graph.initializers
        .get(name)!
        .as('float32')
        .map((weight, at) => Math.abs(weight) * roots[Math.floor(at / inner) % size]!);
    },
    'mean',
    ['consumer'],
  );
}

/** What a node multiplies, where units of a group may go from it. */
function productOf(
  { graph }: Model,
  node: Node,
  groups: PruneGroups,
  index: GraphIndex,
): Product | undefined {
  if (node.domain !== '' || !['Conv', 'Gemm', 'MatMul'].includes(node.op)) return undefined;
  const [value = '', weight = ''] = node.inputs;
  const tensor = graph.initializers.get(weight);
  if (tensor?.dtype !== 'float32' || graph.initializers.has(value)) return undefined;
  if (intOf(node, 'group', 1) !== 1 || intOf(node, 'transA', 0) !== 0) return undefined;
  if (index.consumers.get(weight)?.length !== 1) return undefined;
  const turned = node.op === 'Conv' || intOf(node, 'transB', 0) !== 0;
  const read = turned ? 1 : 0;
  if (tensor.dims.length < 2 || (node.op === 'MatMul' && tensor.dims.length !== 2)) return undefined;
  if (groups.axes.get(weight)?.[read] === undefined) return undefined;
  return { weight, read, value, axis: node.op === 'Conv' ? 1 : -1 };
}
