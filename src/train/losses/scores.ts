import { indexGraph, type Model, type Node } from '../../graph/index.ts';

/** What an output of a model is made by, at its very end. */
export interface Tail {
  /** The value before a last Softmax, LogSoftmax or Sigmoid; the output itself where there is none. */
  readonly scores: string;
  readonly kind: 'softmax' | 'sigmoid' | 'none';
}

const SOFT: Readonly<Record<string, Tail['kind']>> = {
  Softmax: 'softmax',
  LogSoftmax: 'softmax',
  Sigmoid: 'sigmoid',
};

/** Looks through Identity for the softmax or sigmoid that makes an output of the model. */
export function tailOf(model: Model, output: string): Tail {
  const { producers } = indexGraph(model.graph);
  let maker: Node | undefined = producers.get(output);
  while (maker?.op === 'Identity' && maker.domain === '') maker = producers.get(maker.inputs[0]!);
  const kind = maker?.domain === '' ? SOFT[maker.op] : undefined;
  return maker === undefined || kind === undefined
    ? { scores: output, kind: 'none' }
    : { scores: maker.inputs[0]!, kind };
}
