import type { Optimizer } from './optimizer.ts';

const BETA1 = 0.9;
const BETA2 = 0.999;
const EPSILON = 1e-8;

/**
 * Kingma and Ba 2015 in the order of their section 2: the corrections of both means go into the step size and epsilon. The
 * means are kept without their factors (mean / (1 - beta1), square / (1 - beta2)), which go into these scalars too: every
 * operator here is a pass over all weights.
 */
function adaptive(name: string, summary: string, decoupledDecay: boolean): Optimizer {
  return {
    name,
    summary,
    rate: 1e-3,
    decoupledDecay,
    slots: ['mean', 'square'],
    scalars(step, rate, { momentum = BETA1, beta2 = BETA2, epsilon = EPSILON }) {
      const root = Math.sqrt((1 - beta2 ** step) / (1 - beta2));
      return { rate: (rate * root * (1 - momentum)) / (1 - momentum ** step), floor: epsilon * root };
    },
    update({ to, parameters, gradient, slots, scalars, options }) {
      const keep = (slot: string, beta: number, value: string) =>
        to.op('Add', [to.op('Mul', [slot, to.float(beta)]), value]);
      const mean = keep(slots.mean!, options.momentum ?? BETA1, gradient);
      const square = keep(slots.square!, options.beta2 ?? BETA2, to.op('Mul', [gradient, gradient]));
      const size = to.op('Add', [to.op('Sqrt', [square]), scalars.floor!]);
      const step = to.op('Div', [to.op('Mul', [mean, scalars.rate!]), size]);
      return { parameters: to.op('Sub', [parameters, step]), slots: { mean, square } };
    },
  };
}

export const adam = adaptive('adam', 'steps scaled by the size of past gradients', false);
export const adamw = adaptive('adamw', 'adam with weight decay apart from the gradient', true);
