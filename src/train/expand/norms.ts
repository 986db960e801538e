import { floatOf, intOf, type OpName } from '../../graph/index.ts';
import type { Composer } from '../composer.ts';
import type { Expansion } from './expansion.ts';

/** x / sqrt(mean(x^2) + epsilon) over the axes from `axis` on (Zhang and Sennrich 2019), times the scale. */
function rootMeanSquare(to: Composer, x: string, scale: string, axis: number, epsilon: number): string {
  const rank = to.shape(x).length;
  const axes = Array.from({ length: rank }, (_, i) => i).slice(axis < 0 ? axis + rank : axis);
  const mean = to.mean(to.op('Mul', [x, x]), axes, true);
  const root = to.op('Sqrt', [to.op('Add', [mean, to.float(epsilon)])]);
  return to.op('Mul', [to.op('Div', [x, root]), scale]);
}

/** The sum that a "skip" norm takes: both inputs and, where it is given, a bias. */
function skipSum(to: Composer, x: string, skip: string, bias = ''): string {
  const sum = to.op('Add', [x, skip]);
  return bias === '' ? sum : to.op('Add', [sum, bias]);
}

/** Norms of other opsets and domains. Mean and deviation as outputs are for the runtime's own training and stay out. */
export const NORMS = {
  SimplifiedLayerNormalization: (node, to) => [
    rootMeanSquare(
      to,
      node.inputs[0]!,
      node.inputs[1]!,
      intOf(node, 'axis', -1),
      floatOf(node, 'epsilon', 1e-5),
    ),
  ],
  'com.microsoft:SkipLayerNormalization': (node, to) => {
    const [x, skip, scale, bias = '', added] = node.inputs as [string, string, string, string?, string?];
    const sum = skipSum(to, x, skip, added);
    const inputs = bias === '' ? [sum, scale] : [sum, scale, bias];
    const y = to.op('LayerNormalization', inputs, { axis: -1, epsilon: floatOf(node, 'epsilon', 1e-12) });
    return [y, '', '', sum];
  },
  'com.microsoft:SkipSimplifiedLayerNormalization': (node, to) => {
    const [x, skip, scale, added] = node.inputs as [string, string, string, string?];
    const sum = skipSum(to, x, skip, added);
    return [rootMeanSquare(to, sum, scale, -1, floatOf(node, 'epsilon', 1e-12)), '', '', sum];
  },
} as const satisfies Partial<Record<OpName, Expansion>>;
