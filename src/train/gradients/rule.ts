import type { Node, Tensor } from '../../graph/index.ts';
import type { Composer } from '../composer.ts';

/** Where a gradient rule is applied: a node, the gradients of its outputs, and the means to add nodes. */
export interface GradientSite {
  readonly node: Node;
  /** Adds nodes, and knows the static shape of every value. All emitted operators are those of TRAINING_OPSET. */
  readonly to: Composer;
  /** The gradient of output `i` of this node (the shape of that output); undefined where nothing depends on it. */
  gradient(i?: number): string | undefined;
  /** Whether the gradient of input `i` is asked for: what is not asked for need not be computed. */
  wants(i: number): boolean;
  /** Name of input `i`; '' where it is absent. */
  input(i: number): string;
  /** Name of output `i`; '' where it is absent. */
  output(i?: number): string;
  /** Static shape of input `i`. */
  shape(i: number): readonly number[];
  /** The value of input `i` where it is a constant of the graph (axes, sizes, bounds), else undefined. */
  constant(i: number): Tensor | undefined;
}

/**
 * The gradients of a node's inputs, in their order, each of the shape of its input; undefined for one that is not wanted,
 * or along which nothing flows. Rules add nodes to `site.to`. They are called only where output 0 or another output has a
 * gradient and some input is wanted.
 */
export type GradientRule = (site: GradientSite) => readonly (string | undefined)[];

/** For operators along which nothing flows back: comparisons, shapes, rounding, choices of an index. */
export const STOPS: GradientRule = () => [];
