import { type Dataset, planBatch } from '../../data/index.ts';
import { intOf, intsOf, type Model, type Node, type Shape, type Tensor } from '../../graph/index.ts';
import type { PassContext } from '../pass.ts';
import { observe } from '../quantize/calibrate/observe.ts';
import type { Types } from '../types.ts';
import { LARGEST_HALF } from './half-tensor.ts';

/** Largest finite absolute value of each value. */
export type Maxima = ReadonlyMap<string, number>;

export interface RangeRules {
  /** Values beyond it keep what makes and reads them in float32. */
  readonly largest: number;
  /** Terms of a sum, a mean or a dot product beyond which it stays in float32. */
  readonly longestSum: number;
}

/** Below it float16 has fewer than 11 bits. */
const SMALLEST_NORMAL = 2 ** -14;

/** Largest absolute value of every float32 value of the main graph that is computed or fed, over the calibration data. */
export async function maximaOf(
  model: Model,
  data: Dataset,
  types: Types,
  { signal }: Pick<PassContext, 'signal'>,
): Promise<Map<string, number>> {
  const made = model.graph.nodes.flatMap(({ op, outputs }) => (op === 'Constant' ? [] : outputs));
  const inputs = model.graph.inputs
    .map(({ name }) => name)
    .filter((name) => !model.graph.initializers.has(name));
  const values = [...new Set([...inputs, ...made])].filter((name) => types.dtype(name) === 'float32');
  const maxima = new Map<string, number>();
  const ports = model.graph.inputs.flatMap(({ name, type }) =>
    type.kind === 'tensor' && !model.graph.initializers.has(name)
      ? [{ name, dtype: type.dtype, shape: type.shape }]
      : [],
  );
  const { batch } = planBatch(data, ports, 32);
  await observe(
    model,
    data,
    values,
    (value, tensor) => maxima.set(value, Math.max(maxima.get(value) ?? 0, largestOf(tensor))),
    { batch, signal },
  );
  return maxima;
}

function largestOf(tensor: Tensor): number {
  let largest = 0;
  for (const value of tensor.as('float32')) {
    const size = Math.abs(value);
    // A mask of -Infinity is the same in both types; a NaN is not to be explained by float16.
    if (size > largest && size !== Number.POSITIVE_INFINITY) largest = size;
  }
  return largest;
}

/** Why a float32 constant of a node must not become float16, or undefined. */
export function whyConstantStays(tensor: Tensor): string | undefined {
  const largest = largestOf(tensor);
  if (largest > LARGEST_HALF) return `a constant reaches ${show(largest)}, beyond float16`;
  if (largest > 0 && largest < SMALLEST_NORMAL)
    return `a constant is ${show(largest)} at most, too small for float16`;
  return undefined;
}

/** Why the values that a node reads or makes keep it in float32, or undefined. */
export function whyValuesStay(node: Node, maxima: Maxima, { largest }: RangeRules): string | undefined {
  for (const name of [...node.inputs, ...node.outputs]) {
    const reached = maxima.get(name);
    if (reached === undefined) continue;
    if (reached > largest) return `${name} reaches ${show(reached)} on the data`;
    if (reached > 0 && reached < SMALLEST_NORMAL && node.outputs.includes(name))
      return `${name} is ${show(reached)} at most on the data, too small for float16`;
  }
  return undefined;
}

/** Why the length of its sums keeps a node in float32, or undefined (also where shapes are not known). */
export function whySumStays(node: Node, types: Types, { longestSum }: RangeRules): string | undefined {
  const terms = termsOf(node, types);
  return terms !== undefined && terms > longestSum ? `it sums up ${terms} terms` : undefined;
}

/** Terms that one element of the output is a sum of. */
function termsOf(node: Node, types: Types): number | undefined {
  const shape = (input: number): Shape => (node.inputs[input] ? types.shape(node.inputs[input]!) : undefined);
  const x = shape(0);
  switch (node.op) {
    case 'MatMul':
      return known(x?.at(-1));
    case 'Gemm':
      return known(x?.at(intOf(node, 'transA', 0) === 0 ? 1 : 0));
    case 'Conv':
      return product(shape(1)?.slice(1));
    case 'ConvTranspose':
      return known(shape(1)?.[0]);
    case 'GlobalAveragePool':
    case 'GlobalLpPool':
    case 'InstanceNormalization':
      return product(x?.slice(2));
    case 'AveragePool':
    case 'LpPool':
      return product(intsOf(node, 'kernel_shape'));
    case 'LayerNormalization':
      return product(x?.slice(intOf(node, 'axis', -1)));
    case 'Softmax':
    case 'LogSoftmax':
      return known(x?.at(intOf(node, 'axis', -1)));
    default:
      return node.op.startsWith('Reduce') && !/^Reduce(Max|Min)$/.test(node.op)
        ? reducedTerms(node, x, types)
        : undefined;
  }
}

function reducedTerms(node: Node, x: Shape, types: Types): number | undefined {
  if (x === undefined) return undefined;
  const given = node.inputs[1] ? types.integers(node.inputs[1]) : intsOf(node, 'axes');
  if (node.inputs[1] && given === undefined) return undefined;
  const axes = given === undefined || given.length === 0 ? [...x.keys()] : given;
  return product(axes.map((axis) => x.at(axis)));
}

const known = (dim: unknown): number | undefined => (typeof dim === 'number' ? dim : undefined);

function product(dims: readonly unknown[] | undefined): number | undefined {
  if (dims === undefined) return undefined;
  let result = 1;
  for (const dim of dims) {
    if (typeof dim !== 'number') return undefined;
    result *= dim;
  }
  return result;
}

const show = (value: number) => Number(value.toPrecision(3)).toString();
