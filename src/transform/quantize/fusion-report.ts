/** What became of a node that a quantized model means to run on integers. */
export interface NodeFusion {
  readonly name: string;
  readonly op: string;
  /** wrong: it fused, and would answer nonsense. */
  readonly status: 'fused' | 'not-fused' | 'wrong';
  /** The operators that the runtime executes for it; none where it became part of a neighbour. */
  readonly executedAs: readonly string[];
  /** The rule that it breaks, in words; undefined where fused. */
  readonly why?: string;
}

export interface Repair {
  readonly node: string;
  readonly what: string;
  /** True where the node went back to float. */
  readonly reverted: boolean;
}

/** What ONNX Runtime makes of a quantized model. */
export interface FusionReport {
  readonly nodes: readonly NodeFusion[];
  readonly repaired: readonly Repair[];
  /** Operators that the runtime executes, with their number. */
  readonly executed: Readonly<Record<string, number>>;
}
