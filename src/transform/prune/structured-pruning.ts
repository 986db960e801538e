import { fail } from '../../base/index.ts';
import type { Model } from '../../graph/index.ts';
import type { DeclaredError, Pass, PassContext, PassNote, PassResult } from '../pass.ts';
import { activationImportance } from './activation-importance.ts';
import { captureOf } from './capture.ts';
import { cutUnits } from './cut-units.ts';
import type { PruneGroup, PruneGroups } from './group.ts';
import { pruneGroups } from './groups.ts';
import { CUT_LIMITS, type CutOptions, type CutPlan, planCut } from './plan.ts';
import { type RepairNote, repairConsumers } from './repair.ts';
import { type UnitScores, weightImportance } from './scores.ts';

export interface PruningOptions extends CutOptions {
  /** How units are ranked: by the sizes of their weights, or of what they give to the layers that read them (needs data). */
  readonly importance: 'l1' | 'l2' | 'activations';
  /** Scores that are known already (from gradients or activations), of this very model: instead of `importance`. */
  readonly scores?: UnitScores;
  /** Refits the layers that read cut units to the samples; needs data. */
  readonly repair: boolean;
  /** Samples per run, and at most so many samples in all. */
  readonly batch: number;
  readonly samples: number;
}

/**
 * Structured pruning: the least important channels, hidden units and heads go with all that depends on them, and the file is smaller. The
 * model should be cleaned before (batch norms folded, weights no inputs).
 */
export const structuredPruning: Pass<PruningOptions> = {
  name: 'prune',
  summary: 'takes channels, hidden units and heads that matter least out of all layers; the model is smaller',
  defaults: {
    ...CUT_LIMITS,
    ratio: 0.5,
    target: 'macs',
    importance: 'l2',
    repair: true,
    batch: 32,
    samples: 512,
  },
  error: (): DeclaredError => ({ kind: 'lossy', why: 'what the units carried is lost' }),
  async apply(model: Model, options: PruningOptions, context: PassContext): Promise<PassResult> {
    const { ratio, repair, batch, samples } = options;
    const { signal, seed, calibration } = context;
    signal?.throwIfAborted();
    if (ratio === 0) return { model, modified: false, notes: [] };
    if (repair && calibration === undefined) {
      const hint = 'Give --data, or prune without repair.';
      throw fail('CALIBRATION_NEEDED', 'refitting the layers behind a cut needs samples', { hint });
    }
    const groups = pruneGroups(model);
    const scores = options.scores ?? (await scoresOf(model, groups, options, context));
    const plan = planCut(groups, scores, options);
    if (plan.cut.size === 0) return { model, modified: false, notes: [] };
    const small = cutUnits(model, groups, plan.cut);
    const notes = [...cutNotes(groups, plan), ...shortNotes(plan, options)];
    if (!repair) return { model: small, modified: true, notes };
    const repaired = await repairConsumers(
      model,
      { model: small, groups, cut: plan.cut },
      captureOf(calibration!, { batch, samples, signal }),
      { seed, signal },
    );
    return { model: repaired.model, modified: true, notes: [...notes, ...repaired.notes.map(repairNote)] };
  },
};

/** Groups that activations say nothing of are ranked by their weights. */
async function scoresOf(
  model: Model,
  groups: PruneGroups,
  { importance, batch, samples }: PruningOptions,
  { calibration, signal }: PassContext,
): Promise<UnitScores> {
  if (importance !== 'activations') return weightImportance(model, groups, importance);
  if (calibration === undefined) {
    const hint = 'Give --data, or rank by l1 or l2.';
    throw fail('CALIBRATION_NEEDED', 'ranking by activations needs samples', { hint });
  }
  const indices = Array.from({ length: Math.min(samples, calibration.size) }, (_, i) => i);
  const seen = await activationImportance(model, groups, calibration, { batch, indices, signal });
  return new Map([...weightImportance(model, groups, 'l2'), ...seen]);
}

function cutNotes({ groups }: PruneGroups, { cut }: CutPlan): PassNote[] {
  return groups.flatMap((group): PassNote[] => {
    const { node, op } = placeOf(group);
    if (group.pinned !== undefined) {
      return [{ node, op, action: 'refused', why: `${group.id} keeps its size: it ${group.pinned}` }];
    }
    const gone = cut.get(group.id)?.length;
    if (gone === undefined) return [];
    const others = new Set(group.members.map((member) => member.node)).size - 1;
    const along = others > 0 ? `; ${others} other node${others > 1 ? 's shrink' : ' shrinks'} with it` : '';
    const why = `${group.units - gone} of ${group.units} units of ${group.id} are left${along}`;
    return [{ node, op, action: 'changed', why }];
  });
}

function placeOf({ id, members }: PruneGroup): { node: string; op: string } {
  const { node, op } = members.find(({ role }) => role === 'producer') ?? members[0] ?? { node: id, op: '' };
  return { node: node || id, op };
}

function shortNotes({ reached, macs, macsBefore }: CutPlan, { ratio, target }: CutOptions): PassNote[] {
  if (reached) return [];
  const share = Math.round((100 * macs) / macsBefore);
  const why = `the limits allow no more: ${share} % of the MACs are left, where ${Math.round(100 * ratio)} % of the ${target} were to go`;
  return [{ node: 'model', op: '', action: 'refused', why }];
}

function repairNote({ node, op, before, after, refused }: RepairNote): PassNote {
  if (refused !== undefined) return { node, op, action: 'refused', why: `is not refitted: ${refused}` };
  const percent = (share: number) => `${(100 * share).toPrecision(3)} %`;
  if (after >= before)
    return { node, op, action: 'reverted', why: `refitting gains nothing over ${percent(before)} error` };
  return {
    node,
    op,
    action: 'changed',
    why: `refitted: the error of its outputs falls from ${percent(before)} to ${percent(after)}`,
  };
}
