import { floatOf, type Node } from '../../src/graph/index.ts';
import type { Value } from './value.ts';

/** One application of an operator. */
export interface Call {
  readonly node: Node;
  /** undefined: an optional input that is absent. */
  readonly inputs: readonly (Value | undefined)[];
  /** The version of the operator's domain. */
  readonly opset: number;
}

/** What an operator answers, its outputs in order; more than the node asks for do no harm. */
export type Kernel = (call: Call) => readonly Value[];

/** Kernels by operator; those outside of ai.onnx as "domain:Operator". */
export type Kernels = Readonly<Record<string, Kernel>>;

/** An input that must be there. */
export function input({ node, inputs }: Call, at: number): Value {
  const value = inputs[at];
  if (value === undefined) throw new Error(`${node.op} lacks input ${at}`);
  return value;
}

/** The whole numbers of an input (shape, axes, pads), or undefined where it is absent. */
export function listOf(call: Call, at: number): number[] | undefined {
  const value = call.inputs[at];
  return value && [...value.data];
}

/** A float attribute. ONNX holds those as float32, defaults too, and a gradient must see the same number. */
export function single(node: Node, name: string, absent: number): number {
  return Math.fround(floatOf(node, name, absent));
}
