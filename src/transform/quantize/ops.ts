/**
 * Which operators run on 8-bit integers in ONNX Runtime's CPU provider, and under what conditions. What is not listed
 * never fuses (LayerNormalization, Gelu, Tanh, HardSwish, ReduceMean, Sub, Div, Pad, ConvTranspose, Resize linear, ...):
 * quantizing its edges would be pure cost.
 */
export interface OpRow {
  /**
   * compute: worth quantizing for itself. arithmetic: has an integer kernel of its own with its own output scale.
   * carrier: moves numbers about, with the same scale at both ends.
   */
  readonly kind: 'compute' | 'arithmetic' | 'carrier';
  /** Inputs that are activations or constants in place of them. all: every input. */
  readonly data: readonly number[] | 'all';
  /** needed: does not fuse without a quantized output. optional: can answer in float. */
  readonly output: 'needed' | 'optional';
  /** Range that the output has by definition, whatever calibration saw. */
  readonly outputRange?: readonly [low: number, high: number];
  /** Opset from which the integer kernel exists. */
  readonly since?: number;
}

const carrier: OpRow = { kind: 'carrier', data: [0], output: 'needed' };
const arithmetic: OpRow = { kind: 'arithmetic', data: [0], output: 'needed' };

export const INTEGER_OPS = {
  Conv: { kind: 'compute', data: [0], output: 'needed' },
  MatMul: { kind: 'compute', data: [0, 1], output: 'optional' },
  Gemm: { kind: 'compute', data: [0], output: 'optional' },
  Add: { ...arithmetic, data: [0, 1] },
  Mul: { ...arithmetic, data: [0, 1] },
  Concat: { ...arithmetic, data: 'all' },
  Where: { ...arithmetic, data: [1, 2] },
  AveragePool: arithmetic,
  GlobalAveragePool: arithmetic,
  LeakyRelu: arithmetic,
  Sigmoid: { ...arithmetic, outputRange: [0, 1] },
  Softmax: { ...arithmetic, outputRange: [0, 1] },
  MaxPool: { ...carrier, since: 12 },
  Reshape: carrier,
  Transpose: carrier,
  Squeeze: carrier,
  Unsqueeze: carrier,
  Flatten: carrier,
  Slice: carrier,
  Gather: carrier,
  Expand: carrier,
  Tile: carrier,
  Split: carrier,
  Resize: { ...carrier, since: 11 },
  DepthToSpace: carrier,
} as const satisfies Record<string, OpRow>;

export type IntegerOp = keyof typeof INTEGER_OPS;

export function integerOp(op: string, domain: string): OpRow | undefined {
  if (domain !== '' || !Object.hasOwn(INTEGER_OPS, op)) return undefined;
  return INTEGER_OPS[op as IntegerOp];
}
