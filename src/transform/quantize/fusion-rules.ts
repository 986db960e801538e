import { floatOf, intOf } from '../../graph/index.ts';
import { type MeantNode, type QdqView, realRange, sameParams } from './qdq-view.ts';

/** Why a node does not run on integers. */
export type BrokenRule =
  | 'never-fuses'
  | 'inputs'
  | 'constant-params'
  | 'weight-axis'
  | 'alpha-beta'
  | 'no-output-q'
  | 'shared-output'
  | 'zero-point'
  | 'shared-params'
  | 'float-bias'
  | 'bias-scale'
  | 'mixed-types'
  | 'int8-fan-out'
  | 'unknown';

export interface Verdict {
  readonly rule: BrokenRule;
  readonly why: string;
}

type Rule = (meant: MeantNode, view: QdqView) => Verdict | undefined;

/** The rules of ONNX Runtime's matcher in the order in which a person would look for them. */
const RULES: readonly Rule[] = [
  ({ node, row }) =>
    row === undefined
      ? {
          rule: 'never-fuses',
          why: `${node.op} has no 8-bit kernel on the CPU: Q and DQ around it are pure cost`,
        }
      : undefined,
  inputsDequantized,
  constantScales,
  weightAxis,
  ({ node }) => {
    if (node.op !== 'Gemm') return undefined;
    const [alpha, beta] = [floatOf(node, 'alpha', 1), floatOf(node, 'beta', 1)];
    if (alpha === 1 && (beta === 1 || !node.inputs[2])) return undefined;
    return { rule: 'alpha-beta', why: `alpha ${alpha} and beta ${beta} must be 1` };
  },
  outputQuantized,
  boundsHeld,
  paramsShared,
  floatBias,
  biasScale,
  typesAgree,
  int8FanOut,
];

/** The first rule that a node breaks. `unknown` where this table finds none. */
export function whyNotFused(meant: MeantNode, view: QdqView): Verdict {
  for (const rule of RULES) {
    const verdict = rule(meant, view);
    if (verdict !== undefined) return verdict;
  }
  return { rule: 'unknown', why: 'no known rule is broken, yet the runtime did not fuse it' };
}

/** A fault that fuses and answers nonsense all the same: it must be looked for on nodes that did fuse. */
export function silentFault(meant: MeantNode, view: QdqView): Verdict | undefined {
  return weightAxis(meant, view);
}

function dataInputs({ node, row }: MeantNode): string[] {
  const slots = row === undefined || row.data === 'all' ? [...node.inputs.keys()] : [...row.data];
  if (row?.kind === 'compute' && !slots.includes(1)) slots.push(1);
  return slots.map((slot) => node.inputs[slot] ?? '').filter((value) => value !== '');
}

function inputsDequantized(meant: MeantNode, view: QdqView): Verdict | undefined {
  for (const value of dataInputs(meant)) {
    if (view.dequantizer(value) !== undefined) continue;
    const what = view.constant(value) !== undefined ? 'constant' : 'value';
    return {
      rule: 'inputs',
      why: `the ${what} ${value} is float: every input must come from a DequantizeLinear`,
    };
  }
  return undefined;
}

function constantScales(meant: MeantNode, view: QdqView): Verdict | undefined {
  for (const value of dataInputs(meant)) {
    const dq = view.dequantizer(value)!;
    const params = view.params(dq);
    if (params === undefined)
      return { rule: 'constant-params', why: `scale or zero point of ${value} is not constant` };
    if (view.source(dq) !== undefined && params.scale.size !== 1) {
      return { rule: 'constant-params', why: `the activation ${value} has a scale per channel` };
    }
  }
  return undefined;
}

/** The axis of output channels of a weight: any other fuses too, and answers nonsense where the sizes agree. */
function weightAxis({ node }: MeantNode, view: QdqView): Verdict | undefined {
  const dq = view.dequantizer(node.inputs[1]);
  if (!['Conv', 'MatMul', 'Gemm'].includes(node.op) || dq === undefined) return undefined;
  const weight = view.constant(dq.inputs[0]);
  const scale = view.constant(dq.inputs[1]);
  if (weight === undefined || scale === undefined || scale.size === 1) return undefined;
  const rank = weight.dims.length;
  const axis = (intOf(dq, 'axis', 1) + rank) % rank;
  const right =
    node.op === 'Conv' ? 0 : node.op === 'MatMul' ? rank - 1 : intOf(node, 'transB', 0) !== 0 ? 0 : 1;
  if (axis === right) return undefined;
  return {
    rule: 'weight-axis',
    why: `scales of the weight run along axis ${axis}, output channels along ${right}`,
  };
}

function outputQuantized(
  { node, row, output, quantizer, tail }: MeantNode,
  view: QdqView,
): Verdict | undefined {
  if (row?.output !== 'needed') return undefined;
  const last = tail.at(-1) ?? node;
  if (quantizer === undefined) {
    return {
      rule: 'no-output-q',
      why: `${last.op} has no QuantizeLinear on its output: ${node.op} needs one`,
    };
  }
  const readers = view.index.consumers.get(output) ?? [];
  if (view.index.outputs.has(output)) {
    return { rule: 'shared-output', why: `its float answer ${output} is an output of the graph` };
  }
  if (readers.length > 1 || view.index.captured.has(output)) {
    return {
      rule: 'shared-output',
      why: `its float answer ${output} has readers besides the QuantizeLinear`,
    };
  }
  return undefined;
}

function boundsHeld({ tail, bounds, quantizer }: MeantNode, view: QdqView): Verdict | undefined {
  if (bounds === undefined || quantizer === undefined) return undefined;
  const params = view.params(quantizer);
  const range = params && realRange(params);
  if (range === undefined || (range.low >= bounds.low && range.high <= bounds.high)) return undefined;
  const last = tail.at(-1)!.op;
  const why = `8 bits stand for [${range.low}, ${range.high}], beyond what ${last} leaves [${bounds.low}, ${bounds.high}]: it cannot be dropped`;
  return { rule: 'zero-point', why };
}

function paramsShared({ node, row }: MeantNode, view: QdqView): Verdict | undefined {
  if (row?.kind !== 'carrier') return undefined;
  const dq = view.dequantizer(node.inputs[0]);
  const before = dq && view.params(dq);
  for (const output of node.outputs) {
    for (const q of view.quantizers(output)) {
      const after = view.params(q);
      if (before === undefined || after === undefined || sameParams(before, after)) continue;
      return { rule: 'shared-params', why: 'scale or zero point differ before and behind it' };
    }
  }
  return undefined;
}

function floatBias({ node, tail, quantizer }: MeantNode, view: QdqView): Verdict | undefined {
  if (quantizer !== undefined) return undefined;
  const added = tail[0]?.op === 'Add' ? tail[0] : undefined;
  const biases = node.op === 'Gemm' ? [node.inputs[2]] : added !== undefined ? added.inputs : [];
  if (!biases.some((value) => view.constant(value) !== undefined)) return undefined;
  return { rule: 'float-bias', why: 'its bias is float and its answer is not quantized' };
}

/** An int32 bias adds to the integer sum as it is: only at scale input * weight does it mean what it should. */
function biasScale({ node, tail }: MeantNode, view: QdqView): Verdict | undefined {
  const held = node.op === 'MatMul' ? tail[0]?.inputs : node.inputs.slice(2, 3);
  const bias = held?.map((value) => view.dequantizer(value)).find((dq) => dq && !view.source(dq));
  const [input, weight] = [0, 1].map((slot) => view.dequantizer(node.inputs[slot]));
  if (!bias || !input || !weight) return undefined;
  const [b, x, w] = [bias, input, weight].map((dq) => view.params(dq)?.scale);
  if (b?.dtype !== 'float32' || x?.dtype !== 'float32' || w?.dtype !== 'float32') return undefined;
  const wanted = w.numbers().map((scale) => Math.fround(scale * x.numbers()[0]!));
  const is = b.numbers();
  const off = wanted.some((scale, i) => Math.abs(scale - is[is.length > 1 ? i : 0]!) > 1e-5 * scale);
  return off
    ? { rule: 'bias-scale', why: 'the scale of its bias is not input scale times weight scale' }
    : undefined;
}

function typesAgree(meant: MeantNode, view: QdqView): Verdict | undefined {
  const { node, quantizer } = meant;
  const typeOf = (value: string) => {
    const dq = view.dequantizer(value);
    return dq && (view.params(dq)?.zeroPoint?.dtype ?? 'uint8');
  };
  const input = typeOf(node.inputs[meant.row?.data === 'all' ? 0 : (meant.row?.data[0] ?? 0)] ?? '');
  if (input !== 'uint8' && input !== 'int8') {
    return { rule: 'mixed-types', why: `${input} activations have no kernel on the CPU` };
  }
  const output = quantizer && (view.params(quantizer)?.zeroPoint?.dtype ?? 'uint8');
  if (output === undefined || output === input) return undefined;
  return { rule: 'mixed-types', why: `${input} before it, ${output} behind it` };
}

/** On x64 the runtime turns int8 activations into uint8, but not those that several nodes read. */
function int8FanOut(meant: MeantNode, view: QdqView): Verdict | undefined {
  const dequantized = dataInputs(meant).map((value) => view.dequantizer(value));
  const quantizers = [meant.quantizer, ...dequantized.map((dq) => dq && view.source(dq))];
  if (!quantizers.some((q) => q && view.params(q)?.zeroPoint?.dtype === 'int8')) return undefined;
  return {
    rule: 'int8-fan-out',
    why: 'int8 activations with several readers stay int8 while their neighbours become uint8 (x64)',
  };
}
