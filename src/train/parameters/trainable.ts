import { fail } from '../../base/index.ts';
import { indexGraph, type Model, type Node, type Shape, specOf } from '../../graph/index.ts';

/** Which weights are trained: those that match one of `only` (where given) and none of `freeze`. Patterns are regular expressions on names. */
export interface TrainableOptions {
  readonly only?: readonly string[];
  readonly freeze?: readonly string[];
}

/** Inputs of operators that hold weights besides those that `traits.weighted` names. */
const ROLES: Readonly<Record<string, readonly number[]>> = {
  BatchNormalization: [1, 2],
  LayerNormalization: [1, 2],
  InstanceNormalization: [1, 2],
  GroupNormalization: [1, 2],
  RMSNormalization: [1],
  PRelu: [1],
  Gather: [0],
  LSTM: [1, 2, 3, 7],
  GRU: [1, 2, 3],
  RNN: [1, 2, 3],
};

/** What only moves elements: a weight that goes through it first is a weight all the same. */
const THROUGH: ReadonlySet<string> = new Set([
  'Reshape',
  'Transpose',
  'Squeeze',
  'Unsqueeze',
  'Identity',
  'Flatten',
]);

/** Operators of which an operand in the shape of a vector is a bias or a scale that was learned. */
const AFFINE: ReadonlySet<string> = new Set(['Add', 'Sub', 'Mul', 'Sum']);

/**
 * The float32 initializers that were learned, in file order: what multiplies, biases, scales and shifts of normalizations,
 * tables that are looked up, recurrent weights, learned positions that are added. Not constants of formulas (single
 * numbers), nor scales of inputs that no weight came before, nor running statistics.
 * Throws TRAIN_NO_WEIGHTS, USAGE_BAD_OPTION for a pattern that is none or that matches nothing.
 */
export function trainableWeights(model: Model, options: TrainableOptions = {}): string[] {
  const all = learnedWeights(model);
  if (all.length === 0) {
    throw fail('TRAIN_NO_WEIGHTS', 'no float32 initializer of the model multiplies, biases or is looked up');
  }
  const { only, freeze = [] } = options;
  const matches = (patterns: readonly string[], option: string) => {
    const found = patterns.map((pattern) => {
      const hits = all.filter((name) => patternOf(pattern, option).test(name));
      if (hits.length > 0) return hits;
      throw fail(
        'USAGE_BAD_OPTION',
        `--${option} ${pattern} matches no weight; there are ${all.slice(0, 8).join(', ')}`,
      );
    });
    return new Set(found.flat());
  };
  const wanted = only === undefined ? new Set(all) : matches(only, 'only');
  const frozen = matches(freeze, 'freeze');
  const trained = all.filter((name) => wanted.has(name) && !frozen.has(name));
  if (trained.length === 0) throw fail('TRAIN_NO_WEIGHTS', `all ${all.length} weights are frozen`);
  return trained;
}

/** All initializers that were learned, as `trainableWeights` says; none is no error. */
export function learnedWeights({ graph }: Model): string[] {
  const index = indexGraph(graph);
  return [...graph.initializers].flatMap(([name, tensor]) => {
    if (tensor.dtype !== 'float32' || index.captured.has(name)) return [];
    const uses = usesOf(name, index.consumers);
    const learned = uses.some(([node, value]) => isLearned(node, value, tensor.dims, index.producers));
    return learned ? [name] : [];
  });
}

function patternOf(text: string, option: string): RegExp {
  try {
    return new RegExp(text);
  } catch (cause) {
    throw fail('USAGE_BAD_OPTION', `--${option} ${text} is no regular expression`, {}, cause);
  }
}

/** The nodes that read a weight, with the value they read, seen through what only moves it. */
function usesOf(name: string, consumers: ReadonlyMap<string, readonly Node[]>): (readonly [Node, string])[] {
  return (consumers.get(name) ?? []).flatMap((node) =>
    THROUGH.has(node.op) && node.domain === '' && node.inputs[0] === name
      ? usesOf(node.outputs[0]!, consumers)
      : [[node, name] as const],
  );
}

function isLearned(
  node: Node,
  value: string,
  dims: Shape & object,
  producers: ReadonlyMap<string, Node>,
): boolean {
  const at = node.inputs.indexOf(value);
  const weighted = specOf(node)?.traits.weighted;
  if (weighted !== undefined && (at === weighted.weight || at === weighted.bias)) return true;
  if ((node.op === 'MatMul' || node.op === 'Gemm' || node.op === 'FusedMatMul') && at >= 0) return true;
  if (ROLES[node.op]?.includes(at)) return true;
  if (!AFFINE.has(node.op) || node.domain !== '' || dims.every((size) => size === 1)) return false;
  // A shift or scale of what comes straight from an input is a preparation of the data, not learned.
  return node.inputs.some((name) => name !== value && producers.has(name));
}
