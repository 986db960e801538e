import { fail } from '../base/index.ts';
import type { Dataset } from '../data/index.ts';
import { isFloat, type Model } from '../graph/index.ts';
import { lossByName } from './losses/index.ts';
import type { LossOptions } from './losses/loss.ts';
import { type Tail, tailOf } from './losses/scores.ts';
import type { Term } from './step/objective.ts';

/** What an output is to learn, as a person says it. */
export interface LossRequest extends LossOptions {
  /** Default: the only output. */
  readonly output?: string;
  /** Name of a loss. Default: what fits the output and the data. */
  readonly loss?: string;
  /** 'labels', or an array of the data. Default: the array that bears the output's name where there is one, else the labels. */
  readonly target?: string;
  /** Default 1. */
  readonly weight?: number;
}

/** 'output=loss:target*weight', each part but the loss optional: 'cross-entropy', 'steering=mse:angle*0.5'. Throws USAGE_BAD_OPTION. */
export function parseLoss(text: string): LossRequest {
  const found = /^(?:([^=]+)=)?([a-z-]+)(?::([^*]+))?(?:\*([0-9.eE+-]+))?$/.exec(text.trim());
  if (found === null || (found[4] !== undefined && !(Number(found[4]) > 0))) {
    throw fail('USAGE_BAD_OPTION', `--loss "${text}" is not of the form output=loss:target*weight`, {
      hint: 'Such as cross-entropy, or steering=mse:angle*0.5; all but the loss may be left out.',
    });
  }
  const [, output, loss, target, weight] = found;
  lossByName(loss!);
  return { output, loss, target, ...(weight !== undefined && { weight: Number(weight) }) };
}

/**
 * The terms that teach a model from its data's labels. Without requests each output that the data says something about gets
 * the loss that fits: class numbers cross-entropy, 0 and 1 for a single score (or a sigmoid) binary cross-entropy, numbers mse.
 * Throws TRAIN_TARGET_MISMATCH, USAGE_BAD_OPTION.
 */
export function labelTerms(
  model: Model,
  data: Dataset,
  requests: readonly LossRequest[] = [],
  defaults: LossOptions = {},
): Term[] {
  const outputs = model.graph.outputs.map(({ name }) => name);
  const asked = requests.length > 0 ? requests : guesses(outputs, data);
  return asked.map((request) => {
    const output = request.output ?? only(outputs);
    if (!outputs.includes(output)) {
      throw fail('USAGE_BAD_OPTION', `the model has no output "${output}"; it has ${outputs.join(', ')}`);
    }
    const target = request.target ?? (data.fields.some(({ name }) => name === output) ? output : 'labels');
    const tail = tailOf(model, output);
    const loss = lossByName(request.loss ?? fitting(model, output, tail, data, target));
    if (loss.learnsFrom === 'teacher') {
      throw fail('USAGE_BAD_OPTION', `${loss.name} learns from a teacher, not from labels`, {
        hint: 'Use modicum distill, or cross-entropy, binary-cross-entropy, mse or cosine.',
      });
    }
    const { axis, smoothing, temperature } = { ...defaults, ...defined(request) };
    return {
      loss,
      prediction: loss.reads === 'scores' ? tail.scores : output,
      source: target === 'labels' ? { from: 'labels' } : { from: 'field', field: target },
      options: { axis, smoothing, temperature },
      weight: request.weight ?? 1,
    };
  });
}

/** Outputs that have an array of their name, and one (the only one, or the first without an array) for the labels. */
function guesses(outputs: readonly string[], data: Dataset): LossRequest[] {
  const named = outputs.filter((name) => data.fields.some((field) => field.name === name));
  const rest = outputs.filter((name) => !named.includes(name));
  if (data.labels !== undefined && rest.length > 0) named.push(rest[0]!);
  if (named.length > 0) return named.map((output) => ({ output }));
  const why = `${data.name} has neither labels nor an array for ${outputs.join(', ')}`;
  throw fail('TRAIN_TARGET_MISMATCH', why, {
    hint: 'Add an array named labels, name one with --loss output=loss:array, or use modicum distill, which needs none.',
  });
}

function only(outputs: readonly string[]): string {
  if (outputs.length === 1) return outputs[0]!;
  throw fail('USAGE_BAD_OPTION', `the model has several outputs: say which, --loss ${outputs[0]}=...`);
}

function fitting(model: Model, output: string, tail: Tail, data: Dataset, target: string): string {
  const type = model.graph.outputs.find(({ name }) => name === output)?.type;
  const dims = type?.kind === 'tensor' ? type.shape : undefined;
  const found = target === 'labels' ? data.labels : data.fields.find(({ name }) => name === target);
  const whole = found !== undefined && !isFloat(found.dtype);
  const rank = found?.dims.length ?? 0;
  if (tail.kind === 'sigmoid') return 'binary-cross-entropy';
  if (tail.kind === 'softmax') return 'cross-entropy';
  if (whole && dims !== undefined && dims.length === rank + 2 && dims.at(-1) !== 1) return 'cross-entropy';
  return whole ? 'binary-cross-entropy' : 'mse';
}

function defined<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as Partial<T>;
}
