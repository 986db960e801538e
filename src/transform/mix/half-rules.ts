import { attr, DTYPES, type Node, Tensor, tensorOf } from '../../graph/index.ts';
import { halfTensor } from './half-tensor.ts';

/**
 * Operators that stay in float32: the CPU provider has no 16-bit kernel and no way round it, the standard does not allow it, or the
 * answer is a decision (an order, a count) that 11 bits of precision would change. The list of onnxruntime.transformers.float16, with
 * the quantizing operators, whose scales are float32, and what ends in spectra.
 */
const ALWAYS_FLOAT: ReadonlySet<string> = new Set([
  'NonMaxSuppression',
  'TopK',
  'RoiAlign',
  'MaxRoiPool',
  'Range',
  'CumSum',
  'Min',
  'Max',
  'Upsample',
  'OneHot',
  'RandomUniformLike',
  'QuantizeLinear',
  'DequantizeLinear',
  'DynamicQuantizeLinear',
  'DFT',
  'STFT',
  'MelWeightMatrix',
  'HannWindow',
  'HammingWindow',
  'BlackmanWindow',
  'Unique',
  'SplitToSequence',
  'If',
  'Loop',
  'Scan',
  'StringNormalizer',
  'TfIdfVectorizer',
]);

/** Since which opset an operator takes float16 at all, where that is not from the beginning. */
const HALF_SINCE: Readonly<Record<string, number>> = {
  Einsum: 12,
  IsInf: 20,
  PRelu: 7,
  ThresholdedRelu: 10,
  Mod: 10,
};

/** Inputs that are float32 whatever the others are: scales and regions of a Resize. */
const FLOAT_INPUTS: Readonly<Record<string, (opset: number) => readonly number[]>> = {
  Resize: (opset) => (opset <= 10 ? [1] : [2]),
};

/** Operators whose output type an attribute says; absent means float32, or the type of the input. */
const TYPE_ATTRIBUTE: Readonly<Record<string, string>> = {
  Cast: 'to',
  EyeLike: 'dtype',
  RandomNormal: 'dtype',
  RandomUniform: 'dtype',
  RandomNormalLike: 'dtype',
  Bernoulli: 'dtype',
};

/** They read the shape alone: any type does, and a Cast for their sake would be waste. */
const SHAPE_READERS: ReadonlySet<string> = new Set(['Shape', 'Size']);

/** Why an operator cannot be in float16, or undefined. */
export function whyFloat(node: Node, opset: number): string | undefined {
  if (node.domain !== '') return `${node.domain}:${node.op} is not a standard operator`;
  if (ALWAYS_FLOAT.has(node.op)) return `${node.op} stays in float32`;
  const since = Object.hasOwn(HALF_SINCE, node.op) ? HALF_SINCE[node.op]! : 1;
  return opset < since ? `${node.op} takes float16 from opset ${since} on` : undefined;
}

/** Whether an input of this operator stays float32 though the node is in float16. */
export function floatInput(node: Node, input: number, opset: number): boolean {
  const rule = Object.hasOwn(FLOAT_INPUTS, node.op) ? FLOAT_INPUTS[node.op] : undefined;
  return rule?.(opset).includes(input) ?? false;
}

export function readsShapeAlone(node: Node): boolean {
  return node.domain === '' && SHAPE_READERS.has(node.op);
}

/**
 * Changes the attributes that name the type of a float32 output, so that it is float16. In place. A Cast of what is float16 itself
 * becomes an Identity: the runtime (1.30) removes such a Cast and then finds the types apart.
 */
export function typeAttributes(node: Node, readsHalf: boolean): void {
  if (node.op === 'Cast' && readsHalf) {
    node.op = 'Identity';
    node.attributes.clear();
    return;
  }
  const half = attr.int(DTYPES.float16.onnx);
  if (Object.hasOwn(TYPE_ATTRIBUTE, node.op)) node.attributes.set(TYPE_ATTRIBUTE[node.op]!, half);
  if (node.op === 'ConstantOfShape') {
    // It fills with a float32 of 0 unless told.
    const filling = tensorOf(node, 'value') ?? Tensor.float32([1], [0]);
    node.attributes.set('value', attr.tensor(halfTensor(filling)));
  }
}
