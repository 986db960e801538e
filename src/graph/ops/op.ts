import { fail } from '../../base/index.ts';
import { intsOf } from '../attributes.ts';
import type { DType } from '../dtype.ts';
import type { Dim, Graph, Node, Shape } from '../model.ts';
import { axisIn } from './dims.ts';

/** An element of a small tensor: a number (booleans as 0 and 1), the symbol of a dimension, or null for unknown. */
export type Element = number | string | null;

/** What is known of a value before the model runs. */
export interface Known {
  /** Undefined: not known, or not a tensor. */
  readonly dtype?: DType;
  readonly shape: Shape;
  /** Row-major elements of a small tensor of static shape, as far as they are known. */
  readonly elements?: readonly Element[];
  /** For a sequence or an optional: what is known of its elements. */
  readonly element?: { readonly kind: 'sequence' | 'optional'; readonly of: Known };
}

export const NOTHING: Known = { shape: undefined };

export function known(dtype: DType | undefined, shape: Shape, elements?: readonly Element[]): Known {
  return elements === undefined ? { dtype, shape } : { dtype, shape, elements };
}

/** Tensors with more elements than this are not followed by value. */
export const MOST_ELEMENTS = 1024;

/** Where a rule is applied: a node, and what is known of its inputs. */
export class Site {
  readonly node: Node;
  /** Version of the node's domain that the model imports. */
  readonly opset: number;
  readonly inputs: readonly (Known | undefined)[];
  /** Infers a nested graph for the given inputs and returns what is known of its outputs. */
  readonly inner: (graph: Graph, inputs: readonly Known[]) => Known[];

  constructor(
    node: Node,
    opset: number,
    inputs: readonly (Known | undefined)[],
    inner: (graph: Graph, inputs: readonly Known[]) => Known[],
  ) {
    this.node = node;
    this.opset = opset;
    this.inputs = inputs;
    this.inner = inner;
  }

  /** True where input `i` is given. */
  has(i: number): boolean {
    return this.inputs[i] !== undefined;
  }

  /** What is known of input `i`; nothing where it is absent. */
  at(i: number): Known {
    return this.inputs[i] ?? NOTHING;
  }

  dtype(i: number): DType | undefined {
    return this.inputs[i]?.dtype;
  }

  shape(i: number): Shape {
    return this.inputs[i]?.shape;
  }

  /** The shape of input `i`, which must have this rank where it is known. Throws SHAPE_MISMATCH. */
  ranked(i: number, rank: number): readonly Dim[] | undefined {
    const shape = this.shape(i);
    if (shape !== undefined && shape.length !== rank) {
      throw fail('SHAPE_MISMATCH', `input ${i} has rank ${shape.length}, not ${rank}`);
    }
    return shape;
  }

  /** The elements of input `i` where all are known numbers. */
  numbers(i: number): readonly number[] | undefined {
    const elements = this.inputs[i]?.elements;
    return elements?.every((element) => typeof element === 'number') ? elements : undefined;
  }

  /** A scalar input (or one of a single element) where it is a known number. */
  scalar(i: number): number | undefined {
    const numbers = this.numbers(i);
    return numbers?.length === 1 ? numbers[0] : undefined;
  }

  /** Axes that were an attribute before some opset and are input `i` since. 'absent': not given; undefined: not known. */
  axes(i: number, rank: number | undefined): readonly number[] | 'absent' | undefined {
    const given = intsOf(this.node, 'axes') ?? (this.has(i) ? this.numbers(i) : 'absent');
    if (given === undefined || given === 'absent' || rank === undefined) return given;
    return given.map((axis) => axisIn(axis, rank));
  }
}

/** What is known of the outputs; shorter lists leave the rest unknown. Throws SHAPE_MISMATCH for inputs that cannot be. */
export type ShapeRule = (site: Site) => readonly Known[];

/** A tensor of which dtype and size are settled. */
export interface Settled {
  readonly dtype: DType | undefined;
  readonly dims: readonly number[];
  readonly size: number;
}

/** What a cost rule sees. Absent inputs are undefined. */
export interface CostSite {
  readonly node: Node;
  readonly opset: number;
  readonly inputs: readonly (Settled | undefined)[];
  readonly outputs: readonly (Settled | undefined)[];
}

/** The work of one run of a node. */
export interface Work {
  /** Multiply-accumulates, of whatever dtype. */
  readonly macs: number;
  /** Arithmetic besides the MACs: an addition, a comparison, an exponential count one each. */
  readonly other: number;
  /** Weights, where their number is not that of the elements of constant inputs (packed ones). */
  readonly parameters?: number;
}

export type CostRule = (site: CostSite) => Work;

/** What passes need to know of an op without asking its name. */
export interface Traits {
  /** Each output element depends on the input elements at its own place alone (after broadcasting). */
  readonly elementwise?: true;
  /** The outputs hold elements of the first input(s), unchanged: moved, repeated or left out. */
  readonly moves?: true;
  /** Output 0 has the dtype of input 0. */
  readonly sameType?: true;
  /** Output 0 has the shape of input 0. */
  readonly sameShape?: true;
  /** Its first two inputs can be swapped. */
  readonly commutative?: true;
  /** The outputs are not a function of the inputs: random numbers. */
  readonly random?: true;
  /** Multiplies by weights: which input they are, which is the bias, and the axis of output channels in the weights. */
  readonly weighted?: { readonly weight: number; readonly bias?: number; readonly channelAxis?: number };
  /** Integer arithmetic on quantized numbers, or the step to or from it. */
  readonly quantized?: true;
}

/** What ONNX says of one operator. One spec for all its versions: rules look at `site.opset`. */
export interface OpSpec {
  readonly op: string;
  /** '' is ai.onnx. */
  readonly domain: string;
  /** The opsets that changed it, oldest first. */
  readonly since: readonly number[];
  /** Least and most inputs and outputs, over all versions. */
  readonly inputs: readonly [least: number, most: number];
  readonly outputs: readonly [least: number, most: number];
  /** The shape rule in one phrase, for the docs. */
  readonly says: string;
  readonly infer: ShapeRule;
  /** The cost rule in one phrase, for the docs. */
  readonly work: string;
  readonly cost: CostRule;
  readonly traits: Traits;
  /** For ops that run nested graphs: which of them may run (the costliest one counts), and how often. */
  readonly nested?: NestedRule;
}

export type NestedRule = (
  node: Node,
  inputs: readonly (Known | undefined)[],
) => { readonly graphs: readonly Graph[]; readonly times: Dim };

/** Any number of inputs or outputs. */
export const MANY = Number.POSITIVE_INFINITY;

type Given = Omit<OpSpec, 'domain' | 'outputs' | 'traits' | 'work' | 'cost'> &
  Partial<Pick<OpSpec, 'domain' | 'outputs' | 'traits'>> & { readonly cost?: CostPhrase };

/** A cost rule with its phrase. */
export interface CostPhrase {
  readonly work: string;
  readonly rule: CostRule;
}

const FREE: CostPhrase = { work: 'none', rule: () => ({ macs: 0, other: 0 }) };

/** An OpSpec of ai.onnx with one output and no arithmetic, unless told otherwise. */
export function spec({ cost = FREE, ...given }: Given): OpSpec {
  return { domain: '', outputs: [1, 1], traits: {}, ...given, work: cost.work, cost: cost.rule };
}

/** `count` operations for each element of output 0. */
export function perOutput(count: number): CostPhrase {
  return {
    work: `${count} per output element`,
    rule: ({ outputs }) => ({ macs: 0, other: count * (outputs[0]?.size ?? 0) }),
  };
}

/** `count` operations for each element of input 0. */
export function perInput(count: number): CostPhrase {
  return {
    work: `${count} per input element`,
    rule: ({ inputs }) => ({ macs: 0, other: count * (inputs[0]?.size ?? 0) }),
  };
}

/** The rule of ops whose output 0 has the dtype and shape of input 0. */
export const likeInput: ShapeRule = (site) => [known(site.dtype(0), site.shape(0))];
