import type { Node, Shape, Tensor } from '../../graph/index.ts';
import type { Axis } from './terms.ts';

/** A node while groups are traced: what its axes are, and the verbs with which its rule says what forces what. */
export interface TraceSite {
  readonly node: Node;
  /** Version of the node's domain. */
  readonly opset: number;
  /** The node for a message. */
  readonly label: string;
  has(input: number): boolean;
  /** The shape of an input that is given; its rank is known. */
  shape(input: number): NonNullable<Shape>;
  /** The shape of an output; its rank is known. */
  made(output: number): NonNullable<Shape>;
  axes(input: number): readonly Axis[];
  /** The value of an input, where it is constant. */
  constant(input: number): Tensor | undefined;
  /** The axes whose sizes each element of an input holds, where it is computed from shapes. */
  reads(input: number): readonly (readonly Axis[])[] | undefined;
  /** The axes of an output. */
  set(output: number, axes: readonly Axis[]): void;
  /** New variables for an axis of this size. */
  fresh(size: number): Axis;
  /** An axis of the product of axes (row-major), of which the fixed ones are left out. */
  product(axes: readonly { readonly axis: Axis; readonly size: number }[]): Axis;
  /** Indices of one axis go together with those of the other. */
  tie(a: Axis, b: Axis): void;
  /** The axis keeps its size; `why` is a clause about it. */
  pin(axis: Axis, why: string): void;
  /** Cutting the axis changes what remains of it. */
  mix(axis: Axis, why: string): void;
  /** Nothing of the node is understood: all its inputs stay as they are. */
  opaque(why: string): void;
}

/** A node of the smaller model, which a rule may edit where it holds sizes. */
export interface CutSite {
  readonly node: Node;
  readonly opset: number;
  /** The sizes of a value before and after. */
  before(value: string): NonNullable<Shape>;
  after(value: string): NonNullable<Shape>;
  /** How many of the indices from..to (exclusive) of an axis remain. */
  kept(value: string, axis: number, from: number, to: number): number;
  constant(input: number): Tensor | undefined;
  /** Gives an input of the node, or of another one, a constant of its own. */
  setInput(input: number, tensor: Tensor, of?: Node): void;
  /** The nodes that read a value, and the constants that they read beside it. */
  readers(
    value: string,
  ): readonly { readonly node: Node; readonly input: number; readonly constant: Tensor }[];
}

/** What pruning must know of an op. */
export interface PruneRule {
  trace(site: TraceSite): void;
  /** Only ops that hold sizes in attributes or constants need it; weights are cut by what was traced. */
  cut?(site: CutSite): void;
}

/** An axis number of ONNX, negative from the end. */
export function axisOf(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

/** Sizes of axes; undefined where one is not a number. */
export function numeric(shape: NonNullable<Shape>): readonly number[] | undefined {
  return shape.every((dim) => typeof dim === 'number') ? shape : undefined;
}
