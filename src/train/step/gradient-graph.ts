import { cloneModel, type DType, type Model, makeNode, sortNodes, Tensor } from '../../graph/index.ts';
import { Composer } from '../composer.ts';
import { differentiate } from '../differentiate/differentiate.ts';
import type { Mixing } from '../losses/loss.ts';
import { Layout } from '../parameters/layout.ts';
import { STEP } from './names.ts';
import type { Term } from './objective.ts';
import { addProjections } from './projections.ts';
import { type RunningStatistics, trainNormalizations } from './running-statistics.ts';

/** What is differentiated, and how. */
export interface GradientOptions {
  /** Static shapes of the model's inputs, the batch included. */
  readonly inputShapes: Readonly<Record<string, readonly number[]>>;
  /** Names of the initializers that are trained. */
  readonly weights: readonly string[];
  readonly terms: readonly Term[];
  /** Whether samples are mixed in pairs (mixup). */
  readonly mix?: boolean;
  /** Whether BatchNormalization is trained (statistics of the batch) or frozen. Default 'batch'. */
  readonly normalization?: 'batch' | 'frozen';
}

/** A fed target of one term. */
export interface TargetPort {
  readonly term: Term;
  readonly input: string;
  readonly dtype: DType;
  readonly dims: readonly number[];
}

/** A model with its loss and the gradient of all weights as one vector, open for more nodes. */
export interface GradientGraph {
  readonly to: Composer;
  readonly layout: Layout;
  /** The weights as they are now, as the vector that the graph is fed. */
  readonly weights: Float32Array<ArrayBuffer>;
  readonly running: RunningStatistics | undefined;
  readonly targets: readonly TargetPort[];
  /** Names of values: the loss, each term of it, the gradient. */
  readonly loss: string;
  readonly terms: readonly string[];
  readonly gradient: string;
}

/**
 * Forward, loss and gradient of a model. `forward` is at the training opset; it is left alone. The graph has no outputs yet,
 * and macros stand in it until `lowerMacros`. Throws TRAIN_NO_GRADIENT, TRAIN_SHAPE_UNKNOWN.
 */
export function buildGradient(forward: Model, options: GradientOptions): GradientGraph {
  const model = cloneModel(forward);
  const { graph } = model;
  const extra = addProjections(model, options.inputShapes, options.terms);
  const to = new Composer(model, options.inputShapes);
  graph.inputs = graph.inputs.map(({ name }) => ({
    name,
    type: { kind: 'tensor', dtype: to.dtype(name) ?? 'float32', shape: to.shape(name) },
  }));
  graph.values.clear();
  const layout = Layout.of(model, [...options.weights, ...extra.map(({ weight }) => weight)]);
  const weights = layout.pack(model);
  unpackParameters(to, layout);
  const mixing = options.mix ? mixInputs(to, options.inputShapes) : undefined;
  const running = options.normalization === 'frozen' ? undefined : trainNormalizations(to, STEP.running);
  const { loss, targets, terms } = addLosses(to, options.terms, extra, mixing);
  const gradient = flatGradient(to, layout, loss);
  graph.outputs = [];
  return { to, layout, weights, running, targets, loss, terms, gradient };
}

/** The weights come as one vector, and are cut out of it under their own names. */
function unpackParameters(to: Composer, layout: Layout): void {
  const { graph } = to.model;
  const vector = to.input(STEP.parameters, 'float32', [layout.size]);
  for (const { name } of layout.slots) graph.initializers.delete(name);
  const pieces = layout.slots.map(({ name }) => to.fresh(`${name}:flat`));
  const sizes = to.ints(layout.sizes);
  to.add(
    makeNode(
      'Split',
      [vector, sizes],
      pieces,
      { axis: { type: 'int', value: 0 } },
      { name: to.fresh('weights') },
    ),
  );
  for (const [i, { name, dims }] of layout.slots.entries()) {
    to.add(makeNode('Reshape', [pieces[i]!, to.ints(dims)], [name], {}, { name: to.fresh(`${name}:shape`) }));
  }
}

/** Float inputs become mixtures of two samples; the targets are mixed alike by the losses. */
function mixInputs(to: Composer, inputShapes: GradientOptions['inputShapes']): Mixing {
  const { graph } = to.model;
  const fed = graph.inputs.filter(({ name }) => name in inputShapes && to.dtype(name) === 'float32');
  const batch = Object.values(inputShapes)[0]?.[0] ?? 1;
  const partner = to.input(STEP.partner, 'int64', [batch]);
  const share = to.input(STEP.share, 'float32', []);
  const readers = [...graph.nodes];
  for (const { name } of fed) {
    const other = to.op('Gather', [name, partner], { axis: 0 });
    const own = to.op('Mul', [to.op('Sub', [name, other]), share]);
    const mixture = to.op('Add', [own, other]);
    for (const node of readers) node.inputs = node.inputs.map((input) => (input === name ? mixture : input));
  }
  sortNodes(graph);
  to.into(graph.nodes);
  return { partner, share };
}

function addLosses(
  to: Composer,
  terms: readonly Term[],
  projected: readonly { readonly term: Term; readonly value: string }[],
  mixing: Mixing | undefined,
): { loss: string; targets: TargetPort[]; terms: string[] } {
  const targets: TargetPort[] = [];
  const values: string[] = [];
  let loss: string | undefined;
  for (const [i, term] of terms.entries()) {
    const prediction = projected.find((one) => one.term === term)?.value ?? term.prediction;
    const { dtype, dims } = term.loss.target(to.shape(prediction), term.options);
    const target = to.input(STEP.target(i), dtype, dims);
    targets.push({ term, input: target, dtype, dims });
    const value = term.loss.build({ to, prediction, target, options: term.options, mixing });
    values.push(value);
    const part = term.weight === 1 ? value : to.op('Mul', [value, to.float(term.weight)]);
    loss = loss === undefined ? part : to.op('Add', [loss, part]);
  }
  return { loss: loss!, targets, terms: values };
}

/** The gradient of every weight, side by side; zeros for one that the loss does not depend on. */
function flatGradient(to: Composer, layout: Layout, loss: string): string {
  const found = differentiate(
    to,
    loss,
    layout.slots.map(({ name }) => name),
  );
  const parts = layout.slots.map(({ name, size }) => {
    const gradient = found.get(name);
    return gradient === undefined
      ? to.constant(Tensor.float32([size], new Float32Array(size)))
      : to.reshape(gradient, [size]);
  });
  return parts.length === 1 ? parts[0]! : to.op('Concat', parts, { axis: 0 });
}
