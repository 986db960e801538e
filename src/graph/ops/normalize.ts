import { intOf } from '../attributes.ts';
import type { DType } from '../dtype.ts';
import { axisIn } from './dims.ts';
import { type CostPhrase, known, likeInput, type OpSpec, perOutput, type ShapeRule, spec } from './op.ts';

/** Mean and inverse deviation of a LayerNormalization: the input with the axes from `axis` on made 1. */
const layer: ShapeRule = (site) => {
  const { dtype, shape } = site.at(0);
  const axis = shape === undefined ? 0 : axisIn(intOf(site.node, 'axis', -1), shape.length);
  const stash: DType | undefined = intOf(site.node, 'stash_type', 1) === 1 ? 'float32' : dtype;
  const rows = known(
    stash,
    shape?.map((dim, i) => (i < axis ? dim : 1)),
  );
  return [known(dtype, shape), rows, rows];
};

/** The statistics that older opsets and training mode give beside the result have one number per channel. */
const batch: ShapeRule = (site) => {
  const dims = site.shape(3) ?? site.shape(1);
  const channel = known(site.dtype(3), dims);
  return [known(site.dtype(0), site.shape(0)), channel, channel, channel, channel];
};

const SAME = { sameType: true, sameShape: true } as const;

function normalizer(
  op: string,
  since: readonly number[],
  inputs: readonly [number, number],
  cost: CostPhrase,
): OpSpec {
  return spec({ op, since, inputs, says: 'as the input', infer: likeInput, cost, traits: SAME });
}

/** Softmax and what scales values by their own statistics. */
export const NORMALIZE = {
  // Two operations once mean and variance are folded into one factor and one summand.
  BatchNormalization: spec({
    op: 'BatchNormalization',
    since: [1, 6, 7, 9, 14, 15],
    inputs: [5, 5],
    outputs: [1, 5],
    says: 'as the input',
    infer: batch,
    cost: perOutput(2),
    traits: SAME,
  }),
  LayerNormalization: spec({
    op: 'LayerNormalization',
    since: [17],
    inputs: [2, 3],
    outputs: [1, 3],
    says: 'as the input',
    infer: layer,
    cost: perOutput(8),
    traits: SAME,
  }),
  RMSNormalization: normalizer('RMSNormalization', [23], [2, 2], perOutput(5)),
  GroupNormalization: normalizer('GroupNormalization', [18, 21], [3, 3], perOutput(8)),
  InstanceNormalization: normalizer('InstanceNormalization', [1, 6, 22], [3, 3], perOutput(8)),
  MeanVarianceNormalization: normalizer('MeanVarianceNormalization', [9, 13], [1, 1], perOutput(6)),
  LpNormalization: normalizer('LpNormalization', [1, 22], [1, 1], perOutput(3)),
  LRN: normalizer('LRN', [1, 13], [1, 1], {
    work: 'size + 4 per output element',
    rule: ({ node, outputs }) => ({ macs: 0, other: (intOf(node, 'size', 1) + 4) * (outputs[0]?.size ?? 0) }),
  }),
  Softmax: normalizer('Softmax', [1, 11, 13], [1, 1], perOutput(5)),
  LogSoftmax: normalizer('LogSoftmax', [1, 11, 13], [1, 1], perOutput(5)),
  Hardmax: normalizer('Hardmax', [1, 11, 13], [1, 1], perOutput(1)),
} as const satisfies Record<string, OpSpec>;
