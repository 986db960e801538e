import type { ElementOp } from '../kernels/element-ops.ts';
import type { View } from './view.ts';

/**
 * A value that is not computed yet: arithmetic on elements at the same place, over what lies in memory and over what a kernel
 * is about to produce. Trees are how arithmetic is fused into one loop, or into the kernel that makes its operand.
 */
export type Tree =
  | { readonly kind: 'leaf'; readonly view: View }
  | { readonly kind: 'constant'; readonly value: number }
  | {
      readonly kind: 'op';
      readonly op: ElementOp;
      readonly args: readonly Tree[];
      readonly parameters: readonly number[];
    }
  | { readonly kind: 'heavy'; readonly heavy: Heavy };

/** A kernel that waits for what follows it: it writes where, and through what arithmetic, the sink says. */
export interface Heavy {
  readonly dims: readonly number[];
  /** The axis along which it writes whole vectors: it must lie side by side in the output. */
  readonly axis: number;
  /** Of the node; a later one may read what earlier ones made. */
  readonly order: number;
  emit(sink: Destination): void;
}

/** Where the numbers of a kernel go (a Sink): what of it is known here. */
export interface Destination {
  readonly out: View;
  readonly tree: Tree;
  readonly quant: Quant | undefined;
}

/** How a quantized value is made of a real one: v / scale, to the nearest, within low and high (less the zero point). */
export interface Quant {
  readonly scale: number;
  readonly zeroPoint: number;
  readonly dtype: 'uint8' | 'int8';
}

export const quantLow = ({ dtype, zeroPoint }: Quant): number => (dtype === 'uint8' ? 0 : -128) - zeroPoint;
export const quantHigh = ({ dtype, zeroPoint }: Quant): number => (dtype === 'uint8' ? 255 : 127) - zeroPoint;

export const leaf = (view: View): Tree => ({ kind: 'leaf', view });
export const constant = (value: number): Tree => ({ kind: 'constant', value: Math.fround(value) });
export const op = (name: ElementOp, args: readonly Tree[], parameters: readonly number[] = []): Tree => ({
  kind: 'op',
  op: name,
  args,
  parameters,
});

export function heaviesOf(tree: Tree): Heavy[] {
  if (tree.kind === 'heavy') return [tree.heavy];
  return tree.kind === 'op' ? [...new Set(tree.args.flatMap(heaviesOf))] : [];
}

export function leavesOf(tree: Tree): View[] {
  if (tree.kind === 'leaf') return [tree.view];
  return tree.kind === 'op' ? tree.args.flatMap(leavesOf) : [];
}

export function sizeOfTree(tree: Tree): number {
  return tree.kind === 'op' ? 1 + tree.args.reduce((sum, arg) => sum + sizeOfTree(arg), 0) : 1;
}

/** The tree with every heavy replaced that `by` answers. */
export function replaceHeavies(tree: Tree, by: (heavy: Heavy) => Tree | undefined): Tree {
  if (tree.kind === 'heavy') return by(tree.heavy) ?? tree;
  if (tree.kind !== 'op') return tree;
  return { ...tree, args: tree.args.map((arg) => replaceHeavies(arg, by)) };
}
