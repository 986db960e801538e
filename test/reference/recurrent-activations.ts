import { floatOf, floatsOf, type Node } from '../../src/graph/index.ts';
import { sigmoid } from './unary.ts';

export type Activation = (x: number) => number;

/** A function of recurrent layers; the defaults of alpha and beta where it takes them. */
interface Row {
  readonly alpha?: number;
  readonly beta?: number;
  readonly f: (x: number, alpha: number, beta: number) => number;
}

const FUNCTIONS: Readonly<Record<string, Row>> = {
  relu: { f: (x) => Math.max(x, 0) },
  tanh: { f: Math.tanh },
  sigmoid: { f: sigmoid },
  softsign: { f: (x) => x / (1 + Math.abs(x)) },
  softplus: { f: (x) => Math.log1p(Math.exp(x)) },
  leakyrelu: { alpha: 0.01, f: (x, alpha) => (x < 0 ? alpha * x : x) },
  thresholdedrelu: { alpha: 1, f: (x, alpha) => (x > alpha ? x : 0) },
  elu: { alpha: 1, f: (x, alpha) => (x < 0 ? alpha * Math.expm1(x) : x) },
  hardsigmoid: { alpha: 0.2, beta: 0.5, f: (x, alpha, beta) => Math.min(1, Math.max(0, alpha * x + beta)) },
  affine: { alpha: 1, beta: 0, f: (x, alpha, beta) => alpha * x + beta },
  scaledtanh: { alpha: 1, beta: 1, f: (x, alpha, beta) => alpha * Math.tanh(beta * x) },
};

const textOf = (text: string | Uint8Array) =>
  typeof text === 'string' ? text : new TextDecoder().decode(text);

/**
 * The activations of a recurrent node, direction after direction. activation_alpha and activation_beta go, in order, to
 * the functions that take one. With clip, what goes into a function is cut at -clip and clip.
 */
export function activationsOf(node: Node, absent: readonly string[], directions: number): Activation[][] {
  const given = node.attributes.get('activations');
  const names =
    given?.type === 'strings' && given.value.length > 0
      ? given.value.map(textOf)
      : Array.from({ length: directions }, () => absent).flat();
  const alphas = [...(floatsOf(node, 'activation_alpha') ?? [])];
  const betas = [...(floatsOf(node, 'activation_beta') ?? [])];
  const bound = floatOf(node, 'clip', 0);
  const clipped = (x: number) => (bound > 0 ? Math.min(Math.max(x, -bound), bound) : x);
  const all = names.map((name): Activation => {
    const row = FUNCTIONS[name.toLowerCase()];
    if (row === undefined) throw new Error(`no activation "${name}"`);
    const alpha = row.alpha === undefined ? 0 : Math.fround(alphas.shift() ?? row.alpha);
    const beta = row.beta === undefined ? 0 : Math.fround(betas.shift() ?? row.beta);
    return (x) => row.f(clipped(x), alpha, beta);
  });
  return Array.from({ length: directions }, (_, d) => all.slice(d * absent.length, (d + 1) * absent.length));
}
