import { bypass, type Graph, type Model, removeDead, sortNodes, Tensor } from '../../graph/index.ts';
import { blockConvolutions } from '../blocked/convolutions.ts';
import type { Composer } from '../composer.ts';
import { lowerMacros } from '../macros/index.ts';
import type { Optimizer, OptimizerOptions } from '../optimizers/optimizer.ts';
import type { Layout } from '../parameters/layout.ts';
import { buildGradient, type GradientOptions, type TargetPort } from './gradient-graph.ts';
import { STEP } from './names.ts';
import type { RunningStatistics } from './running-statistics.ts';

export interface StepOptions extends GradientOptions {
  readonly optimizer: Optimizer;
  readonly optimizerOptions?: OptimizerOptions;
  /** Most of the norm of the whole gradient. Default: not clipped. */
  readonly clip?: number;
  /** Share of a weight that a step at rate 1 takes away; matrices and kernels only. Default 0. */
  readonly decay?: number;
  /** Whether a moving average of the weights is kept. Its gain is a scalar of each step. */
  readonly average?: boolean;
  /** Channels of a block in the runtime's own layout, for faster convolutions; see `blockSize`. Default 0: plain ones. */
  readonly block?: number;
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

/**
 * Forward, loss, gradients and update of a model as one graph. `forward` is at the training opset; it is left alone.
 * Throws TRAIN_NO_GRADIENT, TRAIN_SHAPE_UNKNOWN.
 */
export function buildStep(forward: Model, options: StepOptions): StepGraph {
  const { to, layout, weights, running, targets, loss, terms, gradient } = buildGradient(forward, options);
  const { graph } = to.model;
  const initial: Record<string, Tensor> = { [STEP.parameters]: flat(weights) };
  const carry: Record<string, string> = {};
  const keep = (input: string, value: string) => {
    carry[input] = STEP.next(input);
    to.output(value, STEP.next(input));
  };
  to.output(loss, STEP.loss);
  for (const [i, term] of terms.entries()) to.output(term, STEP.term(i));
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
  lowerMacros(to);
  removeDead(graph);
  sortNodes(graph);
  nameOutputs(graph);
  blockConvolutions(to, options.block ?? 0);
  return {
    model: to.model,
    carry,
    initial,
    layout,
    running,
    targets,
    shapeOf: (value) => to.shape(value),
  };
}

/** Outputs are made under their own names: an Identity would copy every weight once more. */
function nameOutputs(graph: Graph): void {
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  for (const node of [...graph.nodes]) {
    if (node.op === 'Identity' && node.domain === '' && outputs.has(node.outputs[0]!))
      bypass(graph, node, node.inputs[0]!);
  }
}

function flat(values: Float32Array): Tensor {
  return Tensor.float32([values.length], values);
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
