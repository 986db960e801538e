import { floatOf, makeNode, type Node, Tensor } from '../../graph/index.ts';
import type { Composer } from '../composer.ts';
import { macroOf } from '../macros/index.ts';
import { MACRO_DOMAIN } from '../macros/macro.ts';

/** Names of the mean and the variance of one normalization. */
interface Entry {
  readonly mean: string;
  readonly variance: string;
  readonly offset: number;
  readonly size: number;
}

/** The running statistics of all BatchNormalizations of a model, as one vector that a step carries on. */
export interface RunningStatistics {
  readonly initial: Float32Array<ArrayBuffer>;
  /** The value that holds them after the step. */
  readonly next: string;
  /** The statistics by the names of their initializers. */
  tensors(flat: Float32Array): Map<string, Tensor>;
}

/**
 * Lets every BatchNormalization of the graph work with the statistics of the batch, and adds what keeps the running ones:
 * running = momentum * running + (1 - momentum) * batch (ONNX, BatchNormalization-15). Undefined where there is none.
 */
export function trainNormalizations(to: Composer, input: string): RunningStatistics | undefined {
  const { graph } = to.model;
  const nodes = graph.nodes.filter(
    ({ op, domain, inputs }) =>
      op === 'BatchNormalization' &&
      domain === '' &&
      graph.initializers.has(inputs[3]!) &&
      graph.initializers.has(inputs[4]!),
  );
  if (nodes.length === 0) return undefined;
  const entries: Entry[] = [];
  const parts: Float32Array[] = [];
  const moments: string[] = [];
  const momenta: number[] = [];
  let offset = 0;
  for (const node of nodes) {
    const [mean, variance] = [node.inputs[3]!, node.inputs[4]!];
    const size = to.shape(mean)[0]!;
    parts.push(graph.initializers.get(mean)!.as('float32'), graph.initializers.get(variance)!.as('float32'));
    entries.push({ mean, variance, offset, size });
    offset += 2 * size;
    momenta.push(...new Array<number>(2 * size).fill(floatOf(node, 'momentum', 0.9)));
    moments.push(...normalizeByBatch(to, node));
  }
  const initial = new Float32Array(offset);
  let at = 0;
  for (const part of parts) {
    initial.set(part, at);
    at += part.length;
  }
  const before = to.input(input, 'float32', [offset]);
  const batch = to.op('Concat', moments, { axis: 0 });
  const momentum = momenta.every((value) => value === momenta[0])
    ? to.float(momenta[0]!)
    : to.constant(Tensor.float32([offset], momenta), 'momentum');
  const away = to.op('Mul', [to.op('Sub', [before, batch]), momentum]);
  return {
    initial,
    next: to.op('Add', [batch, away]),
    tensors: (flat) =>
      new Map(
        entries.flatMap(({ mean, variance, offset: start, size }) => [
          [mean, Tensor.float32([size], flat.slice(start, start + size))] as const,
          [variance, Tensor.float32([size], flat.slice(start + size, start + 2 * size))] as const,
        ]),
      ),
  };
}

/** Makes the node one of training; returns its batch mean and variance. */
function normalizeByBatch(to: Composer, node: Node): [string, string] {
  const { graph } = to.model;
  const epsilon = floatOf(node, 'epsilon', 1e-5);
  const [mean, inverse] = [to.fresh(`${node.name}:mean`), to.fresh(`${node.name}:inverse`)];
  const [x = '', scale = '', bias = ''] = node.inputs;
  const trained = makeNode(
    'BatchNormalization',
    [x, scale, bias],
    [node.outputs[0]!, mean, inverse],
    { epsilon: { type: 'float', value: epsilon } },
    { domain: MACRO_DOMAIN, name: node.name },
  );
  graph.nodes[graph.nodes.indexOf(node)] = trained;
  for (const [i, known] of macroOf(trained)!.infer(trained, to).entries())
    to.learn(trained.outputs[i]!, known);
  // inverse = 1 / sqrt(variance + epsilon)
  const square = to.op('Mul', [inverse, inverse]);
  const variance = to.op('Sub', [to.op('Reciprocal', [square]), to.float(epsilon)]);
  return [mean, variance];
}
