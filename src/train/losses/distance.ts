import { type Loss, mixed } from './loss.ts';

/** Mean squared error over all elements. */
export const mse: Loss = {
  name: 'mse',
  summary: 'squared distance between the output and its target',
  reads: 'output',
  learnsFrom: 'both',
  target: (dims) => ({ dtype: 'float32', dims }),
  build(site) {
    const { to, prediction } = site;
    const off = to.op('Sub', [prediction, mixed(site)]);
    const square = to.op('Mul', [off, off]);
    return to.mean(
      square,
      to.shape(square).map((_, i) => i),
    );
  },
};

/** 1 - cosine of the angle between output and target, each sample as one vector; the mean over samples. */
export const cosine: Loss = {
  name: 'cosine',
  summary: 'angle between the output and its target',
  reads: 'output',
  learnsFrom: 'both',
  target: (dims) => ({ dtype: 'float32', dims }),
  build(site) {
    const { to, prediction } = site;
    const target = mixed(site);
    const rest = to
      .shape(prediction)
      .map((_, i) => i)
      .slice(1);
    const length = (value: string) => {
      const square = to.sum(to.op('Mul', [value, value]), rest);
      return to.op('Sqrt', [to.op('Add', [square, to.float(1e-12)])]);
    };
    const dot = to.sum(to.op('Mul', [prediction, target]), rest);
    const each = to.op('Div', [dot, to.op('Mul', [length(prediction), length(target)])]);
    return to.op('Sub', [to.float(1), to.mean(each, [0])]);
  },
};
