import { fail, SILENT } from '../../base/index.ts';
import { costOf, type Model } from '../../graph/index.ts';
import { cleanUp, cutUnits, planForMacs, pruneGroups, weightImportance } from '../../transform/index.ts';

/**
 * A copy of a model with fewer channels: the same share of each layer goes, the weakest first, until this share of the MACs is
 * left; what stays keeps its weights. Throws STUDENT_IMPOSSIBLE where the model has no channels that may go, or not so many.
 */
export async function narrowerCopy(
  teacher: Model,
  keep: number,
  signal?: AbortSignal,
): Promise<{ readonly model: Model; readonly words: string; readonly macs: number }> {
  const { model } = await cleanUp.apply(teacher, cleanUp.defaults, { progress: SILENT, seed: 0, signal });
  const groups = pruneGroups(model);
  const before = costOf(model).total.macs;
  const limits = { scope: 'uniform', maxRatio: 0.99 } as const;
  const plan = planForMacs(groups, weightImportance(model, groups, 'l2'), before * keep, limits);
  if (!plan.reached) {
    throw fail(
      'STUDENT_IMPOSSIBLE',
      `cutting channels leaves ${plan.macs} of ${before} MACs, not ${keep} of them`,
    );
  }
  const narrow = cutUnits(model, groups, plan.cut);
  const words = `the teacher without ${plan.units} of its ${plan.unitsBefore} channels and units`;
  return { model: narrow, words, macs: plan.macs };
}
