import { binaryDivergence } from './binary-cross-entropy.ts';
import { classAxis, type Loss, mixed, scaled } from './loss.ts';

/**
 * T^2 * KL(softmax(teacher / T) || softmax(scores / T)), the mean over samples (Hinton et al. 2015: the factor keeps the
 * size of the gradient as T grows). The target holds the teacher's scores.
 */
export const kl: Loss = {
  name: 'kl',
  summary: "the teacher's distribution over classes, both softened by a temperature",
  reads: 'scores',
  learnsFrom: 'teacher',
  target: (dims) => ({ dtype: 'float32', dims }),
  build(site) {
    const { to, prediction, target, options } = site;
    const { temperature = 1, scale = 1, targetScale = 1 } = options;
    const axis = classAxis(options, to.shape(prediction).length);
    const wanted = mixed(site, to.op('Softmax', [scaled(to, target, targetScale / temperature)], { axis }));
    const logs = to.op('LogSoftmax', [scaled(to, prediction, scale / temperature)], { axis });
    const own = to.op('Log', [to.op('Max', [wanted, to.float(1e-30)])]);
    const each = to.sum(to.op('Mul', [wanted, to.op('Sub', [own, logs])]), [axis]);
    const mean = to.mean(
      each,
      to.shape(each).map((_, i) => i),
    );
    return to.op('Mul', [mean, to.float(temperature ** 2)]);
  },
};

/** The same for outputs that say yes or no: T^2 * cross-entropy of sigmoid(scores / T) with sigmoid(teacher / T). */
export const binaryKl: Loss = {
  name: 'binary-kl',
  summary: "the teacher's probability of yes, both softened by a temperature",
  reads: 'scores',
  learnsFrom: 'teacher',
  target: (dims) => ({ dtype: 'float32', dims }),
  build(site) {
    const { to, prediction, target, options } = site;
    const { temperature = 1, scale = 1, targetScale = 1 } = options;
    const wanted = mixed(site, to.op('Sigmoid', [scaled(to, target, targetScale / temperature)]));
    const mean = binaryDivergence(to, scaled(to, prediction, scale / temperature), wanted);
    return to.op('Mul', [mean, to.float(temperature ** 2)]);
  },
};
