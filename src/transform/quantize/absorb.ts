import {
  constantOf,
  type Graph,
  type GraphIndex,
  type Node,
  soleConsumer,
  Tensor,
} from '../../graph/index.ts';
import type { Types } from '../types.ts';

/** A constant that is to be divided along its channels. */
export interface Edit {
  readonly node: Node;
  readonly input: number;
  /** Axis of the channels: 0 or the last. */
  readonly axis: 'first' | 'last';
}

/** Constants whose division divides a value, channel by channel of its last axis. */
export interface Absorber {
  /** The node that takes the factors. */
  readonly node: Node;
  readonly edits: readonly Edit[];
}

/** What a rule needs to see. */
interface Site {
  readonly graph: Graph;
  readonly index: GraphIndex;
  readonly types: Types;
  readonly channels: number;
}

type Found = readonly Edit[] | string;
type Rule = (site: Site, node: Node) => Found;

const last = (node: Node, ...inputs: number[]): Edit[] =>
  inputs.filter((input) => node.inputs[input]).map((input) => ({ node, input, axis: 'last' }));

/** Scale (and bias) of one number a channel. */
const normalization =
  (...slots: number[]): Rule =>
  (site, node) => {
    for (const slot of slots) {
      if (node.inputs[slot] && !isRow(site, node.inputs[slot]!))
        return 'its scale is not one number a channel';
    }
    return last(node, ...slots);
  };

/** Positive factors pass through. */
const through: Rule = (site, node) => makerOf(site, node.inputs[0]!);

const product: Rule = (site, node) => {
  const [a = '', b = ''] = node.inputs;
  for (const [input, value] of [b, a].entries()) {
    if (isConstantRow(site, value)) return last(node, 1 - input);
  }
  const tried = [b, a].map((value) => (spans(site, value) ? makerOf(site, value) : 'it is broadcast'));
  return tried.find((found) => typeof found !== 'string') ?? tried[0]!;
};

const sum: Rule = (site, node) => {
  const [a = '', b = ''] = node.inputs;
  const constant = isConstantRow(site, b) ? 1 : isConstantRow(site, a) ? 0 : undefined;
  if (constant === undefined) return `both its operands come from elsewhere`;
  const other = node.inputs[1 - constant]!;
  const rest = spans(site, other) ? makerOf(site, other) : 'it is broadcast';
  return typeof rest === 'string' ? rest : [...rest, ...last(node, constant)];
};

const quotient: Rule = (site, node) =>
  spans(site, node.inputs[0]!) ? makerOf(site, node.inputs[0]!) : 'it is broadcast';

const linear: Rule = (site, node) => {
  const gemm = node.op === 'Gemm';
  const weight = constantOf(site.graph, node.inputs[1] ?? '', site.index);
  if (weight?.dtype !== 'float32' || weight.dims.length !== 2) return 'its weight is no constant matrix';
  if (gemm && node.inputs[2] && !isConstantRow(site, node.inputs[2])) return 'its bias is not constant';
  const transposed = gemm && Number(node.attributes.get('transB')?.value ?? 0) !== 0;
  return [{ node, input: 1, axis: transposed ? 'first' : 'last' }, ...(gemm ? last(node, 2) : [])];
};

/** What each operator does with a division of the channels of its output 0. */
const RULES: Readonly<Record<string, Rule>> = {
  LayerNormalization: normalization(1, 2),
  RMSNormalization: normalization(1),
  SimplifiedLayerNormalization: normalization(1),
  'com.microsoft:SimplifiedLayerNormalization': normalization(1),
  'com.microsoft:SkipLayerNormalization': normalization(2, 3),
  'com.microsoft:SkipSimplifiedLayerNormalization': normalization(2),
  Mul: product,
  Add: sum,
  Sub: sum,
  Div: quotient,
  Relu: through,
  LeakyRelu: through,
  PRelu: through,
  Abs: through,
  Identity: through,
  MatMul: linear,
  Gemm: linear,
};

/**
 * Finds the constants of the graph whose division divides `value`, channel by channel of its last axis, by positive factors, and changes
 * nothing else: the scale of a normalization, a Mul or Add of a row, the columns of a matrix, behind Relu and
 * the like as well. Everything that reads the value is the caller's care; a graph output or what nested graphs read is refused. The reason
 * where there is none.
 */
export function absorberOf(
  graph: Graph,
  index: GraphIndex,
  types: Types,
  value: string,
  channels: number,
): Absorber | string {
  if (index.outputs.has(value)) return 'the value is an output of the model';
  if (index.captured.has(value)) return 'a nested graph reads the value';
  const found = ruleFor({ graph, index, types, channels }, value);
  if (typeof found === 'string') return found;
  return { node: found[0]!.node, edits: found };
}

function ruleFor(site: Site, value: string): Found {
  const maker = site.index.producers.get(value);
  if (maker === undefined) return 'it is an input of the model';
  const key = maker.domain === '' ? maker.op : `${maker.domain}:${maker.op}`;
  const rule = Object.hasOwn(RULES, key) ? RULES[key] : undefined;
  if (rule === undefined || maker.outputs[0] !== value) return `${maker.op} cannot take factors`;
  const found = rule(site, maker);
  return typeof found === 'string' ? `${maker.op}: ${found}` : found;
}

/** The same of an operand, which nobody else may read. */
function makerOf(site: Site, value: string): Found {
  if (soleConsumer(site.index, value) === undefined) return 'others read what goes into it';
  return ruleFor(site, value);
}

function spans({ types, channels }: Site, value: string): boolean {
  return types.shape(value)?.at(-1) === channels;
}

function isRow({ graph, index, channels }: Site, value: string): boolean {
  const tensor = constantOf(graph, value, index);
  return tensor?.dtype === 'float32' && tensor.dims.length === 1 && tensor.size === channels;
}

/** A float constant with one number for each channel, or one for all of them, along its last axis. */
function isConstantRow({ graph, index, channels }: Site, value: string): boolean {
  const tensor = constantOf(graph, value, index);
  const size = tensor?.dims.at(-1) ?? 1;
  return tensor?.dtype === 'float32' && tensor.size > 0 && (size === channels || size === 1);
}

/** A constant divided by factors along its channels; one number for all of them becomes one for each. */
export function divided(tensor: Tensor, axis: Edit['axis'], factors: readonly number[]): Tensor {
  const values = tensor.as('float32');
  const channels = factors.length;
  if (axis === 'first') {
    const per = values.length / channels;
    return Tensor.float32(
      tensor.dims,
      values.map((value, i) => value / factors[Math.floor(i / per)]!),
    );
  }
  if ((tensor.dims.at(-1) ?? 1) === channels) {
    return Tensor.float32(
      tensor.dims,
      values.map((value, i) => value / factors[i % channels]!),
    );
  }
  const spread = new Float32Array(values.length * channels);
  for (let i = 0; i < spread.length; i++)
    spread[i] = values[Math.floor(i / channels)]! / factors[i % channels]!;
  return Tensor.float32([...tensor.dims.slice(0, -1), channels], spread);
}
