import { floatOf, floatsOf, type Node } from '../../graph/index.ts';
import type { Composer } from '../composer.ts';
import { refuse } from './expansion.ts';

/** An activation function of recurrent layers: which take an alpha, a beta, and their defaults. */
interface ActivationRow {
  readonly alpha?: number;
  readonly beta?: number;
  make(to: Composer, x: string, alpha: number, beta: number): string;
}

const named = (op: string): ActivationRow => ({ make: (to, x) => to.op(op, [x]) });
const withAlpha = (op: string, alpha: number): ActivationRow => ({
  alpha,
  make: (to, x, a) => to.op(op, [x], { alpha: a }),
});

const FUNCTIONS: Readonly<Record<string, ActivationRow>> = {
  relu: named('Relu'),
  tanh: named('Tanh'),
  sigmoid: named('Sigmoid'),
  softsign: named('Softsign'),
  softplus: named('Softplus'),
  leakyrelu: withAlpha('LeakyRelu', 0.01),
  thresholdedrelu: withAlpha('ThresholdedRelu', 1),
  elu: withAlpha('Elu', 1),
  hardsigmoid: {
    alpha: 0.2,
    beta: 0.5,
    make: (to, x, alpha, beta) => to.op('HardSigmoid', [x], { alpha, beta }),
  },
  affine: {
    alpha: 1,
    beta: 0,
    make: (to, x, alpha, beta) => to.op('Add', [to.op('Mul', [x, to.float(alpha)]), to.float(beta)]),
  },
  scaledtanh: {
    alpha: 1,
    beta: 1,
    make: (to, x, alpha, beta) =>
      to.op('Mul', [to.op('Tanh', [to.op('Mul', [x, to.float(beta)])]), to.float(alpha)]),
  },
};

/** An activation with its numbers filled in; clips first where the node says so. */
export type Activation = (x: string) => string;

/**
 * The activations of a recurrent node, direction after direction. activation_alpha and activation_beta go, in order, to the
 * functions that take one.
 */
export function activationsOf(
  node: Node,
  to: Composer,
  absent: readonly string[],
  directions: number,
): Activation[][] {
  const names = namesOf(node) ?? Array.from({ length: directions }, () => absent).flat();
  const [alphas, betas] = [
    [...(floatsOf(node, 'activation_alpha') ?? [])],
    [...(floatsOf(node, 'activation_beta') ?? [])],
  ];
  const bound = floatOf(node, 'clip', 0);
  const clipped = (x: string) => (bound > 0 ? to.op('Clip', [x, to.float(-bound), to.float(bound)]) : x);
  const all = names.map((name): Activation => {
    const found = FUNCTIONS[name.toLowerCase()] ?? refuse(node, `with the activation "${name}"`);
    const alpha = found.alpha === undefined ? 0 : (alphas.shift() ?? found.alpha);
    const beta = found.beta === undefined ? 0 : (betas.shift() ?? found.beta);
    return (x) => found.make(to, clipped(x), alpha, beta);
  });
  return Array.from({ length: directions }, (_, d) => all.slice(d * absent.length, (d + 1) * absent.length));
}

function namesOf(node: Node): string[] | undefined {
  const given = node.attributes.get('activations');
  if (given?.type !== 'strings') return undefined;
  return given.value.map((text) => (typeof text === 'string' ? text : new TextDecoder().decode(text)));
}
