import { type Loss, mixed, scaled } from './loss.ts';

/**
 * Yes or no: softplus(s) - target * s is -log of the probability that sigmoid(s) gives the target, without overflow where
 * softplus(s) is taken as max(s, 0) + log(1 + exp(-|s|)). The mean over all elements.
 */
export const binaryCrossEntropy: Loss = {
  name: 'binary-cross-entropy',
  summary: 'yes or no: 0 and 1 (or probabilities) against scores',
  reads: 'scores',
  learnsFrom: 'labels',
  target: (dims) => ({ dtype: 'float32', dims }),
  build(site) {
    const { to, prediction, options } = site;
    const { smoothing = 0 } = options;
    let target = mixed(site);
    if (smoothing > 0) {
      const kept = to.op('Mul', [target, to.float(1 - smoothing)]);
      target = to.op('Add', [kept, to.float(smoothing / 2)]);
    }
    return binaryDivergence(to, scaled(to, prediction, options.scale), target);
  },
};

/** Mean of softplus(s) - target * s over all elements. */
export function binaryDivergence(
  to: Parameters<Loss['build']>[0]['to'],
  scores: string,
  target: string,
): string {
  const above = to.op('Relu', [scores]);
  const size = to.op('Abs', [scores]);
  const tail = to.op('Log', [to.op('Add', [to.op('Exp', [to.op('Neg', [size])]), to.float(1)])]);
  const each = to.op('Sub', [to.op('Add', [above, tail]), to.op('Mul', [target, scores])]);
  return to.mean(
    each,
    to.shape(each).map((_, i) => i),
  );
}
