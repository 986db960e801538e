import { fail } from '../../base/index.ts';
import { costOf } from '../../graph/index.ts';
import type { Pass } from '../../transform/index.ts';
import { distill } from '../distill.ts';
import type { LossOptions } from '../losses/loss.ts';
import { makeStudent, parseStudent } from '../students/student.ts';

export interface DistillationOptions extends LossOptions {
  /** As --student of `modicum distill`. */
  readonly student: string;
  /** Time to train. */
  readonly seconds?: number;
  /** Instead of `seconds`. */
  readonly epochs?: number;
  readonly alpha?: number;
  readonly rate?: number;
  readonly threads?: number;
}

/** A smaller model takes the model's place, and learns from it. */
export const distillation: Pass<DistillationOptions> = {
  name: 'distill',
  summary: 'a smaller model that learns what the model answers takes its place',
  defaults: { student: 'shallower:0.5' },
  error: () => ({ kind: 'lossy', why: 'another model answers' }),
  async apply(model, { student: text, threads, ...options }, context) {
    const { training, seed, progress, signal } = context;
    if (training === undefined) throw fail('TRAINING_NEEDED', 'distillation has no samples to learn from');
    const request = parseStudent(text);
    if (request === undefined) throw fail('USAGE_BAD_OPTION', `"${text}" is no student that can be made`);
    const student = await makeStudent(request, model, training, seed, signal);
    const before = costOf(model).total.macs;
    if (student.macs >= before) {
      throw fail(
        'STUDENT_IMPOSSIBLE',
        `${text} takes ${student.macs} MACs, no fewer than the teacher's ${before}`,
      );
    }
    const settings = threads === undefined ? undefined : { threads };
    const { model: taught, steps } = await distill(model, student.model, training, {
      ...options,
      settings,
      seed,
      progress,
      signal,
    });
    const why = `${student.words}: ${student.macs} of ${before} MACs, ${steps} steps of distillation`;
    return {
      model: taught,
      modified: true,
      notes: [{ node: 'the whole model', op: '', action: 'changed', why }],
    };
  },
};
