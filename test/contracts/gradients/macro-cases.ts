import type { Random } from '../../../src/base/index.ts';
import { attr, type Known, makeNode, type Node, Tensor } from '../../../src/graph/index.ts';
import { type Composer, MACRO_DOMAIN } from '../../../src/train/index.ts';
import {
  between,
  type Forward,
  fixed,
  type GradientCase,
  graphOf,
  pick,
  shape,
  single,
  values,
} from './case.ts';

/** Puts a macro in the place of the node that makes output 0 of it. */
function instead(to: Composer, macro: Node, outputs: readonly Known[]): void {
  const { nodes } = to.model.graph;
  nodes[nodes.findIndex((node) => node.outputs.includes(macro.outputs[0]!))] = macro;
  for (const [i, name] of macro.outputs.entries()) to.learn(name, outputs[i]!);
}

/** Normalization by the statistics of the batch: what ONNX calls training mode. */
function batchNormalization(random: Random): Forward {
  const dims = [between(random, 2, 3), between(random, 1, 3), ...shape(random, [0, 2], 3)];
  const channels = dims[1]!;
  const old = fixed(Tensor.float32([channels], new Array<number>(channels).fill(1)));
  const epsilon = pick(random, [1e-5, 1e-2, 0.1]);
  const inputs = [
    values(random, dims),
    values(random, [channels], { mean: 1, scale: 0.3 }),
    values(random, [channels]),
    old,
    old,
  ];
  const outputs = ['y0', 'running', 'spread'];
  const forward = single('BatchNormalization', inputs, { training_mode: 1, epsilon }, { outputs });
  forward.model.graph.outputs.splice(1);
  const compose = (to: Composer) => {
    const trained = makeNode(
      'BatchNormalization',
      ['x0', 'x1', 'x2'],
      ['y0', 'mean', 'inverse'],
      { epsilon: attr.float(epsilon) },
      { name: 'n', domain: MACRO_DOMAIN },
    );
    const channel: Known = { dtype: 'float32', shape: [channels] };
    instead(to, trained, [{ dtype: 'float32', shape: dims }, channel, channel]);
  };
  return { ...forward, compose };
}

/**
 * Rounding has no slope. Its gradient is by definition that of y = (clip(x / s, low, high) + rest) * s, where `rest` is what
 * rounding added at the place in question, a constant. `factor` scales the slope of s: s is s * factor + constant.
 */
function fakeQuantize(random: Random, along: boolean): Forward {
  const dims = [between(random, 2, 3), between(random, 2, 4), ...shape(random, [0, 1], 3)];
  const scales = along ? [dims[1]!, ...dims.slice(2).map(() => 1)] : pick(random, [[], [1]]);
  const [low, high] = pick(random, [
    [-4, 3],
    [-3, 3],
    [0, 5],
    [-7, 2],
  ]) as [number, number];
  const factor = pick(random, [undefined, 0.25]);
  const scale = values(random, scales, { between: [0.2, 0.6] });
  const count = scale.size;
  const inner = dims.slice(2).reduce((all, size) => all * size, 1);
  const scaleAt = (i: number) => scale.numbers()[count === 1 ? 0 : Math.floor(i / inner) % count]!;
  // In steps: between halves, so that rounding is sure, and away from the ends.
  const size = dims.reduce((all, dim) => all * dim, 1);
  const steps = Array.from({ length: size }, () => {
    const whole = between(random, low - 3, high + 3);
    const off = (0.05 + 0.35 * random.uniform()) * (random.below(2) === 0 ? 1 : -1);
    return whole + off;
  });
  const clipped = (value: number) => Math.min(Math.max(value, low), high);
  const rest = steps.map((value) => clipped(Math.round(value)) - clipped(value));
  const x = Tensor.float32(
    dims,
    steps.map((value, i) => value * scaleAt(i)),
  );
  const kept = scale.numbers().map((value) => value * (1 - (factor ?? 1)));
  const nodes = [
    makeNode('Mul', ['s', 'factor'], ['part'], {}, { name: 'part' }),
    makeNode('Add', ['part', 'kept'], ['scale'], {}, { name: 'scale' }),
    makeNode('Div', ['x', 'scale'], ['steps'], {}, { name: 'steps' }),
    makeNode('Clip', ['steps', 'low', 'high'], ['clipped'], {}, { name: 'clipped' }),
    makeNode('Add', ['clipped', 'rest'], ['whole'], {}, { name: 'whole' }),
    makeNode('Mul', ['whole', 'scale'], ['y'], {}, { name: 'y' }),
  ];
  const scalar = (value: number) => fixed(Tensor.float32([], [value]));
  const given = {
    x,
    s: scale,
    factor: scalar(factor ?? 1),
    kept: fixed(Tensor.float32(scales, kept)),
    low: scalar(low),
    high: scalar(high),
    rest: fixed(Tensor.float32(dims, rest)),
  };
  const compose = (to: Composer) => {
    const macro = makeNode(
      'FakeQuantize',
      ['x', 's', 'low', 'high'],
      ['y'],
      factor === undefined ? {} : { factor: attr.float(factor) },
      { name: 'y', domain: MACRO_DOMAIN },
    );
    instead(to, macro, [{ dtype: 'float32', shape: dims }]);
  };
  return { ...graphOf(nodes, given, ['y']), compose };
}

/** Operators that stand in a graph only while its gradient is made. */
export const MACRO_CASES: readonly GradientCase[] = [
  {
    name: 'BatchNormalization that trains',
    ops: ['modicum:BatchNormalization'],
    make: batchNormalization,
  },
  {
    name: 'FakeQuantize, one scale',
    ops: ['modicum:FakeQuantize'],
    make: (random) => fakeQuantize(random, false),
  },
  {
    name: 'FakeQuantize, a scale each channel',
    ops: ['modicum:FakeQuantize'],
    make: (random) => fakeQuantize(random, true),
  },
];
