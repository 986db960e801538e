import type { Optimizer } from './optimizer.ts';

const MOMENTUM = 0.9;

/** v = momentum * v + g; w = w - rate * v (or, Nesterov, w - rate * (g + momentum * v)). As PyTorch's SGD. */
export const sgd: Optimizer = {
  name: 'sgd',
  summary: 'gradient descent with momentum',
  rate: 0.05,
  decoupledDecay: false,
  slots: ['velocity'],
  scalars: (_, rate) => ({ rate }),
  update({ to, parameters, gradient, slots, scalars, options }) {
    const momentum = to.float(options.momentum ?? MOMENTUM);
    const velocity = to.op('Add', [to.op('Mul', [slots.velocity!, momentum]), gradient]);
    const along = options.nesterov ? to.op('Add', [gradient, to.op('Mul', [velocity, momentum])]) : velocity;
    return {
      parameters: to.op('Sub', [parameters, to.op('Mul', [along, scalars.rate!])]),
      slots: { velocity },
    };
  },
};
