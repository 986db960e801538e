import { cloneNode, type Model, makeGraph, makeModel, Tensor } from '../../graph/index.ts';
import type { RoundableLayer } from '../../transform/index.ts';
import { Composer, TRAINING_OPSET } from '../composer.ts';
import { differentiate } from '../differentiate/differentiate.ts';
import { optimizerByName } from '../optimizers/index.ts';

/** Inputs and outputs of the graphs that learn and judge the rounding of a layer. */
export const ROUNDING = {
  input: 'rounding.input',
  target: 'rounding.target',
  weight: 'rounding.weight',
  bias: 'rounding.bias',
  error: 'rounding.error',
  choice: 'rounding.choice',
  slot: (name: string) => `rounding.slot.${name}`,
  scalar: (name: string) => `rounding.scalar.${name}`,
  /** The exponent that drives choices to 0 and 1, and the weight of that. */
  sharpness: 'rounding.sharpness',
  pressure: 'rounding.pressure',
  loss: 'rounding.loss',
  next: (name: string) => `${name}.next`,
} as const;

/** The sigmoid is stretched beyond 0 and 1 and cut there, so that both can be reached (Louizos et al. 2018). */
const STRETCH = { low: -0.1, high: 1.1 } as const;
/** Keeps the logarithm of 0 finite. */
const TINY = 1e-6;

/** A weight in steps of its scale, rounded down, and what was cut off. */
export function split(layer: RoundableLayer): { readonly whole: Float32Array; readonly rest: Float32Array } {
  const real = layer.weight.as('float32');
  const scales = layer.scale.as('float32');
  const inner =
    layer.axis === undefined
      ? real.length
      : layer.weight.dims.slice(layer.axis + 1).reduce((all, dim) => all * dim, 1);
  const [whole, rest] = [new Float32Array(real.length), new Float32Array(real.length)];
  for (let i = 0; i < real.length; i++) {
    const steps = real[i]! / scales[Math.floor(i / inner) % scales.length]!;
    whole[i] = Math.floor(steps);
    rest[i] = steps - whole[i]!;
  }
  return { whole, rest };
}

/** How many numbers of a layer's bias are learned beside its weight. */
function biasSize({ bias }: RoundableLayer): number {
  return bias?.stored === undefined ? 0 : bias.tensor.size;
}

/** What is learned at first: that of which the stretched sigmoid is the part that was cut off; the bias as it is. */
export function firstChoice(layer: RoundableLayer): Float32Array {
  const { rest } = split(layer);
  const choice = new Float32Array(rest.length + biasSize(layer));
  for (const [i, part] of rest.entries()) {
    const share = (Math.min(Math.max(part, 0.001), 0.999) - STRETCH.low) / (STRETCH.high - STRETCH.low);
    choice[i] = Math.log(share / (1 - share));
  }
  return choice;
}

/** What was learned: 0 (down) or 1 (up) for each weight, and the bias, where it is learned. `unit` as for `roundingStep`. */
export function chosen(
  layer: RoundableLayer,
  choice: Float32Array,
  unit: number,
): { readonly up: Float32Array; readonly bias: Float32Array | undefined } {
  const { size } = layer.weight;
  const up = choice.subarray(0, size).map((value) => (value >= 0 ? 1 : 0));
  if (biasSize(layer) === 0) return { up, bias: undefined };
  const before = layer.bias!.tensor.as('float32');
  return { up, bias: before.map((value, i) => value + Math.sqrt(unit) * choice[size + i]!) };
}

/**
 * One step of learning how to round a layer: the layer on a batch of inputs, its weight somewhere between the neighbouring numbers,
 * the squared distance of its answer from the target in shares of `unit`, the pressure towards 0 and 1, gradients, and Adam.
 * Nagel et al. 2020, "Up or down? Adaptive rounding for post-training quantization", equations 21 to 25. Beyond them the bias
 * is learned as well (it is stored in 32 bits): what suited the nearest rounding's mean error does not suit another's.
 */
export function roundingStep(
  layer: RoundableLayer,
  input: readonly number[],
  target: readonly number[],
  unit: number,
): { readonly model: Model; readonly carry: Readonly<Record<string, string>>; readonly size: number } {
  const to = new Composer(emptyModel(), {});
  const x = to.input(ROUNDING.input, 'float32', input);
  const wanted = to.input(ROUNDING.target, 'float32', target);
  const { dims, size } = layer.weight;
  const { whole } = split(layer);
  const learned = size + biasSize(layer);
  const all = to.input(ROUNDING.choice, 'float32', [learned]);
  const [choice = all, moved] =
    learned === size ? [] : to.ops('Split', [all, to.ints([size, learned - size])], 2, { axis: 0 });
  const [sharpness, pressure] = [ROUNDING.sharpness, ROUNDING.pressure].map((name) =>
    to.input(name, 'float32', []),
  ) as [string, string];
  const zero = to.float(0);
  const stretched = to.op('Add', [
    to.op('Mul', [to.op('Sigmoid', [choice]), to.float(STRETCH.high - STRETCH.low)]),
    to.float(STRETCH.low),
  ]);
  const part = to.op('Clip', [stretched, zero, to.float(1)]);
  const steps = to.op('Add', [to.constant(Tensor.float32([size], whole), 'whole'), part]);
  const kept = to.op('Clip', [steps, to.float(layer.low), to.float(layer.high)]);
  const weight = to.op('Mul', [to.reshape(kept, dims), to.constant(scaleOf(layer), 'scale')]);
  const before = layer.bias && to.constant(layer.bias.tensor, 'bias');
  const bias =
    before === undefined || moved === undefined
      ? before
      : to.op('Add', [
          before,
          to.reshape(to.op('Mul', [moved, to.float(Math.sqrt(unit))]), layer.bias!.tensor.dims),
        ]);
  const answer = layerOn(to, layer, x, weight, bias);
  const off = to.op('Sub', [answer, wanted]);
  const axes = target.map((_, i) => i);
  const distance = to.op('Mul', [to.mean(to.op('Mul', [off, off]), axes), to.float(1 / unit)]);
  // |2h - 1| ^ sharpness
  const edge = to.op('Abs', [to.op('Sub', [to.op('Mul', [part, to.float(2)]), to.float(1)])]);
  const power = to.op('Exp', [
    to.op('Mul', [to.op('Log', [to.op('Add', [edge, to.float(TINY)])]), sharpness]),
  ]);
  const undecided = to.op('Sub', [to.float(1), to.mean(power, [0])]);
  const loss = to.op('Add', [distance, to.op('Mul', [undecided, pressure])]);
  const gradient = differentiate(to, loss, [all]).get(all)!;
  const adam = optimizerByName('adam');
  const scalars = Object.fromEntries(
    Object.keys(adam.scalars(1, 1, {})).map((name) => [name, to.input(ROUNDING.scalar(name), 'float32', [])]),
  );
  const slots = Object.fromEntries(
    adam.slots.map((name) => [name, to.input(ROUNDING.slot(name), 'float32', [learned])]),
  );
  const update = adam.update({ to, parameters: all, gradient, slots, scalars, options: {} });
  to.output(distance, ROUNDING.loss);
  const carry: Record<string, string> = {};
  const keep = (name: string, value: string) => {
    carry[name] = ROUNDING.next(name);
    to.output(value, ROUNDING.next(name));
  };
  keep(ROUNDING.choice, update.parameters);
  for (const [name, value] of Object.entries(update.slots)) keep(ROUNDING.slot(name), value);
  return { model: to.model, carry, size: learned };
}

/** The layer on a batch with the weight and bias that it is fed; answers the mean squared distance from the target. */
export function roundingJudge(
  layer: RoundableLayer,
  input: readonly number[],
  target: readonly number[],
): Model {
  const to = new Composer(emptyModel(), {});
  const x = to.input(ROUNDING.input, 'float32', input);
  const wanted = to.input(ROUNDING.target, 'float32', target);
  const weight = to.input(ROUNDING.weight, 'float32', layer.weight.dims);
  const bias = layer.bias && to.input(ROUNDING.bias, 'float32', layer.bias.tensor.dims);
  const off = to.op('Sub', [layerOn(to, layer, x, weight, bias), wanted]);
  to.output(
    to.mean(
      to.op('Mul', [off, off]),
      target.map((_, i) => i),
    ),
    ROUNDING.error,
  );
  return to.model;
}

function emptyModel(): Model {
  return makeModel(makeGraph({ inputs: [], outputs: [], nodes: [], name: 'rounding' }), TRAINING_OPSET);
}

/** The scale in a shape that broadcasts over the weight. */
function scaleOf({ scale, axis, weight }: RoundableLayer): Tensor {
  return scale.reshape(weight.dims.map((dim, i) => (i === axis ? dim : 1)));
}

/** The layer's own node, then the bias of a MatMul and the Relu or Clip. */
function layerOn(
  to: Composer,
  { node, bounds }: RoundableLayer,
  x: string,
  weight: string,
  bias: string | undefined,
): string {
  const copy = cloneNode(node);
  const result = to.fresh('answer');
  copy.inputs = node.op === 'MatMul' || bias === undefined ? [x, weight] : [x, weight, bias];
  copy.outputs = [result];
  to.add(copy);
  const sum = node.op === 'MatMul' && bias !== undefined ? to.op('Add', [result, bias]) : result;
  if (bounds === undefined) return sum;
  if (bounds.high === Number.POSITIVE_INFINITY && bounds.low === 0) return to.op('Relu', [sum]);
  const end = (value: number) => (Number.isFinite(value) ? to.float(value) : '');
  return to.op('Clip', [sum, end(bounds.low), end(bounds.high)]);
}
