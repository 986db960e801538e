import {
  cloneModel,
  type DType,
  type Model,
  makeNode,
  removeDead,
  sortNodes,
  Tensor,
} from '../../graph/index.ts';
import { Composer } from '../composer.ts';
import { differentiate } from '../differentiate/differentiate.ts';
import type { Mixing } from '../losses/loss.ts';
import type { Optimizer, OptimizerOptions } from '../optimizers/optimizer.ts';
import { Layout } from '../parameters/layout.ts';
import type { Term } from './objective.ts';
import { addProjections } from './projections.ts';
import { type RunningStatistics, trainNormalizations } from './running-statistics.ts';

export interface StepOptions {
  /** Static shapes of the model's inputs, the batch included. */
  readonly inputShapes: Readonly<Record<string, readonly number[]>>;
  /** Names of the initializers that are trained. */
  readonly weights: readonly string[];
  readonly terms: readonly Term[];
  readonly optimizer: Optimizer;
  readonly optimizerOptions?: OptimizerOptions;
  /** Most of the norm of the whole gradient. Default: not clipped. */
  readonly clip?: number;
  /** Share of a weight that a step at rate 1 takes away; matrices and kernels only. Default 0. */
  readonly decay?: number;
  /** Whether a moving average of the weights is kept. Its gain is a scalar of each step. */
  readonly average?: boolean;
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

/** One step of training as one graph, and what must be known to run it. */
export interface StepGraph {
  readonly model: Model;
  /** Input to the output that feeds it at the next step. */
  readonly carry: Readonly<Record<string, string>>;
  /** What is kept at the first step. */
  readonly initial: Readonly<Record<string, Tensor>>;
  readonly layout: Layout;
  readonly running: RunningStatistics | undefined;
  readonly targets: readonly TargetPort[];
  /** Static shape of a value of the forward graph. */
  shapeOf(value: string): readonly number[];
}

/** Names of the inputs and outputs of a step, beside those of the model. */
export const STEP = {
  parameters: 'step.parameters',
  average: 'step.average',
  running: 'step.running',
  slot: (name: string) => `step.slot.${name}`,
  scalar: (name: string) => `step.scalar.${name}`,
  target: (i: number) => `step.target.${i}`,
  partner: 'step.partner',
  share: 'step.share',
  loss: 'step.loss',
  term: (i: number) => `step.term.${i}`,
  next: (name: string) => `${name}.next`,
} as const;

/**
 * Forward, loss, gradients and update of a model as one graph. `forward` is at the training opset; it is left alone.
 * Throws TRAIN_NO_GRADIENT, TRAIN_SHAPE_UNKNOWN.
 */
export function buildStep(forward: Model, options: StepOptions): StepGraph {
  const model = cloneModel(forward);
  model.functions = [];
  const { graph } = model;
  const random = options.terms.some(({ project }) => project !== undefined);
  const extra = random ? addProjections(model, options.inputShapes, options.terms) : [];
  const to = new Composer(model, options.inputShapes);
  graph.inputs = graph.inputs.map(({ name }) => ({
    name,
    type: { kind: 'tensor', dtype: to.dtype(name) ?? 'float32', shape: to.shape(name) },
  }));
  graph.values.clear();
  const layout = Layout.of(model, [...options.weights, ...extra.map(({ weight }) => weight)]);
  const initial: Record<string, Tensor> = { [STEP.parameters]: flat(layout.pack(model)) };
  unpackParameters(to, layout);
  const mixing = options.mix ? mixInputs(to, options.inputShapes) : undefined;
  const running = options.normalization === 'frozen' ? undefined : trainNormalizations(to, STEP.running);
  const { loss, targets, terms } = addLosses(to, options.terms, extra, mixing);
  const gradient = flatGradient(to, layout, loss);
  graph.outputs = [];
  to.output(loss, STEP.loss);
  for (const [i, term] of terms.entries()) to.output(term, STEP.term(i));
  const carry: Record<string, string> = {};
  const keep = (input: string, value: string) => {
    carry[input] = STEP.next(input);
    to.output(value, STEP.next(input));
  };
  const update = addUpdate(to, layout, gradient, options);
  keep(STEP.parameters, update.parameters);
  for (const [name, value] of Object.entries(update.slots)) {
    keep(STEP.slot(name), value);
    initial[STEP.slot(name)] = flat(new Float32Array(layout.size));
  }
  if (options.average) {
    const before = to.input(STEP.average, 'float32', [layout.size]);
    const away = to.op('Sub', [update.parameters, before]);
    const gain = to.input(STEP.scalar('average'), 'float32', []);
    keep(STEP.average, to.op('Add', [before, to.op('Mul', [away, gain])]));
    initial[STEP.average] = initial[STEP.parameters]!;
  }
  if (running !== undefined) {
    keep(STEP.running, running.next);
    initial[STEP.running] = flat(running.initial);
  }
  running?.lower();
  removeDead(graph);
  sortNodes(graph);
  return { model, carry, initial, layout, running, targets, shapeOf: (value) => to.shape(value) };
}

function flat(values: Float32Array): Tensor {
  return Tensor.float32([values.length], values);
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
function mixInputs(to: Composer, inputShapes: StepOptions['inputShapes']): Mixing {
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

function addUpdate(
  to: Composer,
  layout: Layout,
  raw: string,
  { optimizer, optimizerOptions = {}, clip, decay = 0 }: StepOptions,
): { parameters: string; slots: Readonly<Record<string, string>> } {
  let gradient = raw;
  if (clip !== undefined) {
    const norm = to.op('ReduceL2', [gradient, to.ints([0])], { keepdims: 0 });
    const most = to.op('Max', [norm, to.float(clip)]);
    gradient = to.op('Mul', [gradient, to.op('Div', [to.float(clip), most])]);
  }
  const scalars = Object.fromEntries(
    Object.keys(optimizer.scalars(1, 1, {})).map((name) => [
      name,
      to.input(STEP.scalar(name), 'float32', []),
    ]),
  );
  const before = STEP.parameters;
  let parameters: string = before;
  if (decay > 0) {
    const shrinks = (dims: readonly number[]) => (dims.length >= 2 ? decay : 0);
    const mask = layout.slots.every(({ dims }) => dims.length >= 2)
      ? to.float(decay)
      : to.constant(flat(layout.spread(({ dims }) => shrinks(dims))), 'decay');
    const pull = to.op('Mul', [before, mask]);
    if (optimizer.decoupledDecay) {
      // The rate of the schedule, not one that corrects for young averages.
      const rate = to.input(STEP.scalar('decay'), 'float32', []);
      parameters = to.op('Sub', [before, to.op('Mul', [pull, rate])]);
    } else gradient = to.op('Add', [gradient, pull]);
  }
  const slots = Object.fromEntries(
    optimizer.slots.map((name) => [name, to.input(STEP.slot(name), 'float32', [layout.size])]),
  );
  return optimizer.update({ to, parameters, gradient, slots, scalars, options: optimizerOptions });
}
