import { Tensor } from '../../graph/index.ts';
import { classAxis, type Loss, mixed, scaled } from './loss.ts';

/** -sum over classes of target * log softmax(scores), the mean over samples (and places, where there are several a sample). */
export const crossEntropy: Loss = {
  name: 'cross-entropy',
  summary: 'one class of many: class numbers against scores',
  reads: 'scores',
  learnsFrom: 'labels',
  target(dims, options) {
    const axis = classAxis(options, dims.length);
    return { dtype: 'int64', dims: dims.filter((_, i) => i !== axis) };
  },
  build(site) {
    const { to, prediction, target, options } = site;
    const dims = to.shape(prediction);
    const axis = classAxis(options, dims.length);
    const classes = dims[axis]!;
    const { smoothing = 0 } = options;
    const depth = to.constant(Tensor.int64([], [classes]));
    const off = smoothing / classes;
    const values = to.constant(Tensor.float32([2], [off, 1 - smoothing + off]));
    const hot = mixed(site, to.op('OneHot', [target, depth, values], { axis }));
    const logs = to.op('LogSoftmax', [scaled(to, prediction, options.scale)], { axis });
    const each = to.sum(to.op('Mul', [hot, logs]), [axis]);
    const all = to.shape(each).map((_, i) => i);
    return to.op('Neg', [to.mean(each, all)]);
  },
};
