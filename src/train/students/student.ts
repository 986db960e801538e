import { fail, Random } from '../../base/index.ts';
import type { Dataset } from '../../data/index.ts';
import { costOf, type Model } from '../../graph/index.ts';
import { buildForMacs } from '../architectures/build-for-macs.ts';
import { ARCHITECTURES, architectureByName } from '../architectures/index.ts';
import { tailOf } from '../losses/scores.ts';
import { narrowerCopy } from './narrower.ts';
import { normalizeInputs } from './normalize-inputs.ts';
import { shallowerCopy } from './shallower.ts';
import { taskOf } from './task-of.ts';

/** A student to be made of its teacher, or for its task. */
export type StudentRequest =
  /** Without some of its blocks; the others keep their weights. */
  | { readonly kind: 'shallower'; readonly keep: number }
  /** With fewer channels, in every layer the same share; `keep` is the share of the MACs. The strongest keep their weights. */
  | { readonly kind: 'narrower'; readonly keep: number }
  /** A built-in architecture, untrained: as wide as `macs` (a share of the teacher's) allows, else by a factor of its channels. */
  | { readonly kind: 'architecture'; readonly name: string; readonly macs?: number; readonly width?: number };

/**
 * 'shallower:0.5', 'narrower:0.25', 'ds-cnn', 'ds-cnn:0.1' (a tenth of the teacher's MACs), 'mlp:x0.5' (half of its channels). Undefined for what
 * looks like a file. Throws USAGE_BAD_OPTION.
 */
export function parseStudent(text: string): StudentRequest | undefined {
  const found = /^([a-z][a-z-]*)(?::(x)?([0-9.]+))?$/.exec(text);
  if (found === null) return undefined;
  const [, name = '', factor, number] = found;
  const value = number === undefined ? undefined : Number(number);
  const wrong = value !== undefined && !(value > 0 && (factor !== undefined || value <= 1));
  if (wrong) throw fail('USAGE_BAD_OPTION', `--student ${text}: the share must be above 0 and at most 1`);
  if ((name === 'shallower' || name === 'narrower') && factor === undefined) {
    return { kind: name, keep: value ?? 0.5 };
  }
  if (!Object.hasOwn(ARCHITECTURES, name)) {
    const names = Object.keys(ARCHITECTURES).join(', ');
    throw fail(
      'USAGE_BAD_OPTION',
      `--student ${text} is neither an .onnx file nor one of narrower, shallower, ${names}`,
    );
  }
  return { kind: 'architecture', name, ...(factor === undefined ? { macs: value } : { width: value }) };
}

/** A student, and how it was made, for people. */
export interface Student {
  readonly model: Model;
  readonly words: string;
  /** Multiply-accumulates of one sample. */
  readonly macs: number;
}

/**
 * Makes a student. One of another architecture answers scores (logits) or probabilities as its teacher does, and sees its
 * inputs normalized by the data. Throws STUDENT_IMPOSSIBLE, ARCHITECTURE_UNFIT.
 */
export async function makeStudent(
  request: StudentRequest,
  teacher: Model,
  data: Dataset,
  seed = 0,
  signal?: AbortSignal,
): Promise<Student> {
  if (request.kind === 'shallower') {
    const { model, removed } = shallowerCopy(teacher, request.keep);
    const words = `the teacher without ${removed.length} of its blocks (${removed.map(({ to }) => to).join(', ')})`;
    return { model, words, macs: costOf(model).total.macs };
  }
  if (request.kind === 'narrower') return narrowerCopy(teacher, request.keep, signal);
  const architecture = architectureByName(request.name);
  const task = await taskOf(teacher, data, signal);
  const probabilities = task.outputs.some(({ name }) => tailOf(teacher, name).kind !== 'none');
  const random = new Random(seed);
  const raw =
    request.macs === undefined
      ? architecture.build(task, { width: request.width ?? 1, probabilities }, random)
      : buildForMacs(architecture, task, request.macs * costOf(teacher).total.macs, random, { probabilities })
          .model;
  const model = await normalizeInputs(raw, data, signal);
  return { model, words: `${request.name}, untrained`, macs: costOf(model).total.macs };
}
