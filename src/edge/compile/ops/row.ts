import { fail } from '../../../base/index.ts';
import { intsOf, type Node, type Tensor } from '../../../graph/index.ts';
import { type Lowering, unsupported } from '../plan/lowering.ts';
import { constant, leaf, op } from '../plan/tree.ts';
import type { Value } from '../plan/value.ts';
import type { View } from '../plan/view.ts';

/** A node on its way into kernels. */
export interface Site {
  readonly low: Lowering;
  readonly node: Node;
  /** Absent ones are undefined. */
  readonly inputs: readonly (Value | undefined)[];
}

/** How an operator becomes kernels: the values of its outputs, in order. Throws EDGE_UNSUPPORTED, saying why. */
export type Row = (site: Site) => readonly (Value | undefined)[];

export function input({ inputs, node }: Site, i: number): Value {
  const value = inputs[i];
  if (value === undefined) throw fail('MODEL_INVALID', `${node.op} lacks input ${i}`);
  return value;
}

/** The shape, dtype and hint of an output. */
export const shellOf = ({ low, node }: Site, i = 0) => low.shell(node.outputs[i]!);

/** A constant input. Throws where it is computed. */
export function constantInput(site: Site, i: number, what: string): Tensor | undefined {
  const value = site.inputs[i];
  if (value === undefined) return undefined;
  if (value.constant === undefined) throw unsupported(`${what} that ${site.node.op} computes at run time`);
  return value.constant;
}

/** Whole numbers that are an attribute in old opsets and input `i` since. */
export function wholeNumbers(site: Site, name: string, i: number): readonly number[] | undefined {
  return intsOf(site.node, name) ?? constantInput(site, i, name)?.numbers();
}

export function floatOnly(value: Value): void {
  if (value.dtype !== 'float32') throw unsupported(`arithmetic on ${value.dtype}`);
}

export const axisOf = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

/** The real form of a quantized value that lies in memory. */
export function realOf(low: Lowering, quantized: Value, shell: Omit<Value, 'tree'>): Value {
  const tree = op('mul', [leaf(low.view(quantized)), constant(quantized.quant!.scale)]);
  return { ...shell, tree, real: quantized };
}

/** What moves numbers and does not change them works on quantized ones as well. */
export function moved(site: Site, x: Value, shell: Omit<Value, 'tree'>, move: (base: Value) => View): Value {
  const base = x.real ?? x;
  const view = move(base);
  if (x.real === undefined) return { ...shell, view, ...(base.quant && { quant: base.quant }) };
  const quantized: Value = { ...shell, dtype: base.dtype, view, quant: base.quant };
  return realOf(site.low, quantized, shell);
}
