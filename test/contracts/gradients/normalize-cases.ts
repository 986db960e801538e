import type { Random } from '../../../src/base/index.ts';
import { attr } from '../../../src/graph/index.ts';
import { between, type GradientCase, pick, shape, single, values } from './case.ts';

/** [N, C, spatial...] of more than one element each map, so that there is something to normalize. */
const maps = (random: Random, channels = between(random, 1, 3)) => [
  between(random, 1, 3),
  channels,
  between(random, 2, 3),
  ...shape(random, [0, 2], 3),
];

const perChannel = (random: Random, channels: number) => [
  values(random, [channels], { mean: 1, scale: 0.3 }),
  values(random, [channels]),
];

const epsilon = (random: Random) => pick(random, [undefined, 1e-3, 0.1]);

/** Some axes from the first or the last on, of more than one element. */
function rows(random: Random) {
  const dims = shape(random, [1, 3]);
  const axis = random.below(dims.length);
  dims[dims.length - 1] = between(random, 3, 5);
  const negative = random.below(2) === 0;
  return { dims, scaled: dims.slice(axis), axis: negative ? axis - dims.length : axis };
}

/** Normalizations. */
export const NORMALIZE_CASES: readonly GradientCase[] = [
  {
    name: 'BatchNormalization',
    ops: ['BatchNormalization'],
    make(random) {
      const dims = pick(random, [maps(random), shape(random, 2)]);
      const channels = dims[1]!;
      const statistics = [values(random, [channels]), values(random, [channels], { between: [0.3, 2] })];
      const inputs = [values(random, dims), ...perChannel(random, channels), ...statistics];
      return single('BatchNormalization', inputs, { epsilon: epsilon(random) });
    },
  },
  {
    name: 'InstanceNormalization',
    ops: ['InstanceNormalization'],
    make(random) {
      const dims = maps(random);
      const inputs = [values(random, dims), ...perChannel(random, dims[1]!)];
      return single('InstanceNormalization', inputs, { epsilon: epsilon(random) });
    },
  },
  {
    name: 'GroupNormalization',
    ops: ['GroupNormalization'],
    make(random) {
      const groups = between(random, 1, 2);
      const dims = maps(random, groups * between(random, 1, 2));
      const inputs = [values(random, dims), ...perChannel(random, dims[1]!)];
      return single('GroupNormalization', inputs, { num_groups: groups, epsilon: epsilon(random) });
    },
  },
  {
    name: 'LayerNormalization',
    ops: ['LayerNormalization'],
    make(random) {
      const { dims, scaled, axis } = rows(random);
      const bias = random.below(2) === 0 ? [] : [values(random, scaled)];
      const inputs = [values(random, dims), values(random, scaled, { mean: 1 }), ...bias];
      return single('LayerNormalization', inputs, { axis, epsilon: epsilon(random) });
    },
  },
  {
    name: 'LayerNormalization, one scale for all',
    ops: ['LayerNormalization'],
    make(random) {
      const dims = [2, 3, 4];
      const inputs = [values(random, dims), values(random, [1], { mean: 1 }), values(random, [1])];
      return single('LayerNormalization', inputs, { axis: -1 });
    },
  },
  {
    name: 'RMSNormalization',
    ops: ['RMSNormalization'],
    make(random) {
      const { dims, scaled, axis } = rows(random);
      const inputs = [values(random, dims, { awayFrom: [0], distance: 0.2 }), values(random, scaled)];
      const forward = single('RMSNormalization', inputs, { axis, epsilon: epsilon(random) });
      // The operator is younger than the opset that is trained.
      forward.model.opsets.set('', 23);
      return forward;
    },
  },
  {
    name: 'LpNormalization',
    ops: ['LpNormalization'],
    make(random) {
      const dims = shape(random, [1, 3]);
      const axis = random.below(dims.length);
      dims[axis] = between(random, 2, 4);
      const inputs = [values(random, dims, { awayFrom: [0], distance: 0.2 })];
      return single('LpNormalization', inputs, { axis, p: between(random, 1, 2) });
    },
  },
  {
    name: 'MeanVarianceNormalization',
    ops: ['MeanVarianceNormalization'],
    make(random) {
      const [axes, dims] = pick(random, [
        [undefined, [2, 2, 3, 2]],
        [[1], [2, 5]],
        [
          [0, 2],
          [3, 2, 2],
        ],
      ]);
      return single('MeanVarianceNormalization', [values(random, dims)], { axes });
    },
  },
  {
    name: 'LRN',
    ops: ['LRN'],
    make(random) {
      const size = pick(random, [1, 3, 5]);
      const dims = [between(random, 1, 2), between(random, 1, 5), ...shape(random, 2, 3)];
      const attributes = { alpha: 0.3, beta: 0.6, bias: attr.float(pick(random, [1, 2])) };
      return single('LRN', [values(random, dims)], { size, ...attributes });
    },
  },
];
