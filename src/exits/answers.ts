import { fail } from '../base/index.ts';
import { indexGraph, inferShapes, type Model, sizeOf } from '../graph/index.ts';
import type { ExitRule } from '../staged/index.ts';
import { tailOf } from '../train/index.ts';

/** What an output of a model says, and what a head must make to say the same. */
export interface Answer {
  readonly name: string;
  /** One class of many, yes or no each, or plain numbers. */
  readonly kind: 'classes' | 'binary' | 'values';
  /** Shape of one sample. */
  readonly dims: readonly number[];
  /** Numbers of one sample; the classes where it is `classes`. */
  readonly size: number;
  /** The function that the output ends in. */
  readonly tail: 'Softmax' | 'LogSoftmax' | 'Sigmoid' | undefined;
  /** The value before that function; the output itself where there is none. */
  readonly logits: string;
  readonly scale: ExitRule['scale'];
}

/** All outputs of a model, and the one whose scores decide who leaves. */
export interface Answers {
  readonly all: readonly Answer[];
  readonly decision: Answer;
}

/**
 * Reads what the outputs of a model say. The deciding output is the one that is named, else the only one that ends in a softmax,
 * else the only one with several numbers a sample, else the only one. Throws EXITS_UNFIT.
 */
export function answersOf(model: Model, output?: string): Answers {
  const inference = inferShapes(model, { strict: false });
  const { producers } = indexGraph(model.graph);
  const all = model.graph.outputs.map(({ name }): Answer => {
    const known = inference.get(name);
    const dims = known?.shape?.slice(1);
    if (known?.dtype !== 'float32' || known.shape === undefined || known.shape.length === 0) {
      throw fail(
        'EXITS_UNFIT',
        `output "${name}" is ${known?.dtype ?? 'of unknown type'}[${known?.shape ?? '...'}]`,
      );
    }
    if (!dims?.every((dim) => typeof dim === 'number')) {
      const shape = known.shape.map((dim) => dim ?? '?');
      throw fail('EXITS_UNFIT', `the shape of output "${name}" is not settled: [${shape}]`);
    }
    const tail = tailOf(model, name);
    const maker = producers.get(name);
    let end = maker;
    while (end?.op === 'Identity') end = producers.get(end.inputs[0]!);
    const op = tail.kind === 'none' ? undefined : (end!.op as NonNullable<Answer['tail']>);
    const size = sizeOf(dims);
    return {
      name,
      kind: tail.kind === 'softmax' ? 'classes' : tail.kind === 'sigmoid' ? 'binary' : 'values',
      dims,
      size,
      tail: op,
      logits: tail.scores,
      scale: op === 'Softmax' || op === 'Sigmoid' ? 'probabilities' : 'logits',
    };
  });
  const decision = deciding(all, output);
  return { all: all.map((answer) => (answer.name === decision.name ? decision : answer)), decision };
}

function deciding(all: readonly Answer[], output: string | undefined): Answer {
  const names = all.map(({ name }) => name).join(', ');
  const single = (found: readonly Answer[]) => (found.length === 1 ? found[0] : undefined);
  const found =
    output === undefined
      ? (single(all.filter(({ kind }) => kind === 'classes')) ??
        single(all.filter(({ kind, size }) => kind === 'values' && size > 1)) ??
        single(all))
      : all.find(({ name }) => name === output);
  if (found === undefined) {
    const why =
      output === undefined
        ? `which of its outputs ${names} holds the scores of classes is not clear`
        : `it has no output "${output}"; it has ${names}`;
    throw fail('EXITS_UNFIT', why);
  }
  const wide = found.dims.filter((dim) => dim !== 1).length;
  if (wide > 1) {
    throw fail(
      'EXITS_UNFIT',
      `output "${found.name}" makes more than one decision a sample: [${found.dims}]`,
    );
  }
  if (found.kind === 'binary' && found.size > 1) {
    throw fail('EXITS_UNFIT', `output "${found.name}" says yes or no to ${found.size} questions at once`);
  }
  // Scores without a softmax behind them are scores all the same: the one who names the output says so.
  return { ...found, kind: found.size === 1 ? 'binary' : 'classes' };
}
