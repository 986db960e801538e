import { stringOf } from '../attributes.ts';
import { known, likeInput, type OpSpec, perInput, perOutput, type ShapeRule, spec } from './op.ts';

const dropout: ShapeRule = (site) => {
  const { dtype, shape } = site.at(0);
  return [known(dtype, shape), known(site.opset < 10 ? dtype : 'bool', shape)];
};

/** One number, or with reduction "none" one for each target. */
const loss: ShapeRule = (site) => {
  const alone = stringOf(site.node, 'reduction', 'mean') === 'none';
  return [known(site.dtype(0), alone ? site.shape(1) : []), known(site.dtype(0), site.shape(0))];
};

const running = (
  op: string,
  since: readonly number[],
  count: number,
  inputs: readonly [number, number] = [2, 2],
) =>
  spec({
    op,
    since,
    inputs,
    says: 'as the input',
    infer: likeInput,
    cost: perOutput(count),
    traits: { sameType: true, sameShape: true },
  });

const losses = (op: string, since: readonly number[], outputs: readonly [number, number]) =>
  spec({
    op,
    since,
    inputs: [2, 3],
    outputs,
    says: 'scalar, or as the target',
    infer: loss,
    cost: perInput(outputs[1] > 1 ? 5 : 1),
    traits: { sameType: true },
  });

/** Running sums, masks, losses, boxes. */
export const SELECT = {
  CumSum: running('CumSum', [11, 14], 1),
  CumProd: running('CumProd', [26], 1),
  Trilu: running('Trilu', [14], 0, [1, 2]),
  Dropout: spec({
    op: 'Dropout',
    since: [1, 6, 7, 10, 12, 13, 22],
    inputs: [1, 3],
    outputs: [1, 2],
    says: 'as the input',
    infer: dropout,
    traits: { elementwise: true, sameType: true, sameShape: true },
  }),
  Det: spec({
    op: 'Det',
    since: [11, 22],
    inputs: [1, 1],
    says: 'without the last two axes',
    infer: (site) => [known(site.dtype(0), site.shape(0)?.slice(0, -2))],
    cost: {
      work: '2/3*M per input element',
      rule: ({ inputs }) => ({
        macs: 0,
        other: Math.round((2 / 3) * (inputs[0]?.dims.at(-1) ?? 0) * (inputs[0]?.size ?? 0)),
      }),
    },
    traits: { sameType: true },
  }),
  NonMaxSuppression: spec({
    op: 'NonMaxSuppression',
    since: [10, 11],
    inputs: [2, 5],
    says: '[unknown, 3]',
    infer: () => [known('int64', [null, 3])],
  }),
  NegativeLogLikelihoodLoss: losses('NegativeLogLikelihoodLoss', [12, 13, 22], [1, 1]),
  SoftmaxCrossEntropyLoss: losses('SoftmaxCrossEntropyLoss', [12, 13], [1, 2]),
} as const satisfies Record<string, OpSpec>;
