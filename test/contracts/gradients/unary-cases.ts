import { attr, Tensor } from '../../../src/graph/index.ts';
import { broadcastable } from './arithmetic-cases.ts';
import {
  type Attributes,
  type Draw,
  fixed,
  type GradientCase,
  pick,
  shape,
  single,
  values,
  between as wholeBetween,
} from './case.ts';

const between = (low: number, high: number): Draw => ({ between: [low, high] });

/** A function of one variable on values drawn so; attributes as they are, floats through `attr`. */
const unary = (op: string, draw: Draw = {}, attributes: Attributes = {}, domain = ''): GradientCase => {
  const key = domain === '' ? op : `${domain}:${op}`;
  const words = Object.keys(attributes).length === 0 ? '' : ` ${JSON.stringify(attributes)}`;
  return {
    name: `${key}${words}`,
    ops: [key],
    make: (random) =>
      single(op, [values(random, shape(random, [domain === '' ? 0 : 1, 3]), draw)], attributes, { domain }),
  };
};

const kink: Draw = { scale: 2, awayFrom: [0] };
const float = attr.float;

/** Functions of one variable, activations among them. */
export const UNARY_CASES: readonly GradientCase[] = [
  unary('Neg'),
  unary('Abs', kink),
  unary('Exp'),
  unary('Log', between(0.3, 3)),
  unary('Sqrt', between(0.2, 3)),
  unary('Reciprocal', { awayFrom: [0], distance: 0.3 }),
  unary('Sin'),
  unary('Cos'),
  unary('Tan', between(-1.2, 1.2)),
  unary('Asin', between(-0.9, 0.9)),
  unary('Acos', between(-0.9, 0.9)),
  unary('Atan'),
  unary('Sinh'),
  unary('Cosh'),
  unary('Tanh'),
  unary('Asinh'),
  unary('Acosh', between(1.2, 3)),
  unary('Atanh', between(-0.9, 0.9)),
  unary('Erf'),
  unary('Relu', kink),
  unary('LeakyRelu', kink),
  unary('LeakyRelu', kink, { alpha: float(0.3) }),
  unary('LeakyRelu', kink, { alpha: float(-0.5) }),
  unary('ThresholdedRelu', { scale: 2, awayFrom: [1] }),
  unary('ThresholdedRelu', { scale: 2, awayFrom: [0.25] }, { alpha: float(0.25) }),
  unary('Sigmoid', { scale: 2 }),
  unary('HardSigmoid', { scale: 2, awayFrom: [-2.5, 2.5] }),
  unary('HardSigmoid', { scale: 2, awayFrom: [-0.8, 1.2] }, { alpha: float(0.5), beta: float(0.4) }),
  unary('HardSwish', { scale: 3, awayFrom: [-3, 3] }),
  unary('Gelu'),
  unary('Gelu', { scale: 2 }, { approximate: 'tanh' }),
  unary('Softplus', { scale: 2 }),
  unary('Softsign', { scale: 2, awayFrom: [0] }),
  unary('Elu', kink),
  unary('Elu', kink, { alpha: float(0.5) }),
  unary('Selu', kink),
  unary('Selu', kink, { alpha: float(1.2), gamma: float(0.7) }),
  unary('Celu', kink),
  unary('Celu', kink, { alpha: float(2) }),
  unary('Mish'),
  unary('Gelu', {}, {}, 'com.microsoft'),
  unary('FastGelu', {}, {}, 'com.microsoft'),
  unary('QuickGelu', {}, {}, 'com.microsoft'),
  unary('QuickGelu', {}, { alpha: float(1) }, 'com.microsoft'),
  ...['BiasGelu', 'FastGelu'].map(
    (op): GradientCase => ({
      name: `${op} with a bias`,
      ops: [`com.microsoft:${op}`],
      make(random) {
        const dims = shape(random, [2, 3]);
        return single(
          op,
          [values(random, dims), values(random, [dims.at(-1)!])],
          {},
          { domain: 'com.microsoft' },
        );
      },
    }),
  ),
  {
    name: 'PRelu',
    ops: ['PRelu'],
    make(random) {
      const dims = shape(random, [1, 3]);
      const missing = wholeBetween(random, 0, dims.length - 1);
      const slope = dims.slice(missing).map((size) => (random.uniform() < 0.5 ? 1 : size));
      return single('PRelu', [values(random, dims, kink), values(random, slope)]);
    },
  },
  {
    name: 'Clip',
    ops: ['Clip'],
    make(random) {
      const [low, high] = [Tensor.float32([], [-0.5]), Tensor.float32([], [0.75])];
      const as = pick(random, [fixed, (tensor: Tensor) => tensor]);
      const bounds = pick(random, [[as(low), as(high)], [undefined, as(high)], [as(low)]]);
      return single('Clip', [values(random, [3, 5], { awayFrom: [-0.5, 0.75] }), ...bounds]);
    },
  },
  {
    name: 'Where',
    ops: ['Where'],
    make(random) {
      const [c, a, b] = broadcastable(random, 3) as [number[], number[], number[]];
      const size = c.reduce((n, dim) => n * dim, 1);
      const chosen = Uint8Array.from({ length: size }, () => random.below(2));
      return single('Where', [Tensor.of('bool', c, chosen), values(random, a), values(random, b)]);
    },
  },
];
