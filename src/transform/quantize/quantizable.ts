import type { Model } from '../../graph/index.ts';
import { placementOf, withNames } from './static.ts';

/** A node that static quantization can run on integers. */
export interface Quantizable {
  readonly name: string;
  readonly op: string;
  /** compute: Conv, Gemm, MatMul. The others follow from these, and go along with them. */
  readonly kind: 'compute' | 'arithmetic' | 'carrier';
}

/** The nodes that static quantization would run on integers, in graph order. */
export function quantizableNodes(model: Model): Quantizable[] {
  const { sites } = placementOf(withNames(model), {});
  return sites.map(({ node, row }) => ({ name: node.name, op: node.op, kind: row.kind }));
}
