import { fail } from '../../base/index.ts';
import type { UnitCut } from './cut-units.ts';
import { numbersOf } from './cut-units.ts';
import type { PruneGroup, PruneGroups } from './group.ts';
import { macsAfter } from './macs.ts';
import type { UnitScores } from './scores.ts';

/** What a cut may take, and from where. */
export interface CutLimits {
  /** `global`: the least units of all groups go; `uniform`: the same share of each group. */
  readonly scope: 'global' | 'uniform';
  /** Channels that remain are a multiple of this where a layer has as many: 8 or 16 fill the registers. 1: any number. */
  readonly roundTo: number;
  /** At least so many units of each group remain. */
  readonly minUnits: number;
  /** At most this share of a group goes. */
  readonly maxRatio: number;
  /** Groups that stay whole: patterns (with *) of their ids, or of constants or nodes that make them. */
  readonly exclude: readonly string[];
}

export interface CutOptions extends CutLimits {
  /** The share of the target that is to go, 0 to 1. */
  readonly ratio: number;
  /** MACs of the model, or units of all groups that may be cut. */
  readonly target: 'macs' | 'channels';
}

/** A cut and what it leaves. */
export interface CutPlan {
  readonly cut: UnitCut;
  /** MACs of one run at batch 1, after and before; as costOf counts them. */
  readonly macs: number;
  readonly macsBefore: number;
  /** Units that go, and those that there are. */
  readonly units: number;
  readonly unitsBefore: number;
  /** False where the limits and what is pinned leave more than was asked for. */
  readonly reached: boolean;
}

export const CUT_LIMITS: CutLimits = {
  scope: 'global',
  roundTo: 1,
  minUnits: 1,
  maxRatio: 0.9,
  exclude: [],
};

/**
 * The smallest cut that takes at least this share of the MACs or of the units, the least important ones first. Groups
 * without scores stay. Throws NOTHING_TO_PRUNE and PRUNE_OPTION_INVALID.
 */
export function planCut(
  groups: PruneGroups,
  scores: UnitScores,
  options: Pick<CutOptions, 'ratio' | 'target'> & Partial<CutLimits>,
): CutPlan {
  const { ratio, target } = options;
  if (!(ratio >= 0 && ratio < 1)) throw fail('PRUNE_OPTION_INVALID', `ratio ${ratio} is not within 0 and 1`);
  return plan(groups, scores, options, (made) =>
    target === 'macs'
      ? made.macs <= (1 - ratio) * made.macsBefore * (1 + 1e-9)
      : made.units >= ratio * made.unitsBefore,
  );
}

/** The smallest cut that leaves at most so many MACs; as planCut. */
export function planForMacs(
  groups: PruneGroups,
  scores: UnitScores,
  macs: number,
  limits: Partial<CutLimits> = {},
): CutPlan {
  if (!(macs > 0)) throw fail('PRUNE_OPTION_INVALID', `a model of ${macs} MACs cannot be`);
  return plan(groups, scores, limits, (made) => made.macs <= macs * (1 + 1e-9));
}

interface Candidate {
  readonly group: PruneGroup;
  /** Units, the least important first. */
  readonly order: readonly number[];
  /** Fewest that may remain. */
  readonly least: number;
  /** What remains is a multiple of it. */
  readonly step: number;
}

function plan(
  groups: PruneGroups,
  scores: UnitScores,
  given: Partial<CutLimits>,
  enough: (made: Omit<CutPlan, 'reached'>) => boolean,
): CutPlan {
  const limits = checked({ ...CUT_LIMITS, ...given });
  const candidates = candidatesOf(groups, scores, limits);
  const unitsBefore = candidates.reduce((sum, { group }) => sum + group.units, 0);
  const ranked = candidates
    .flatMap(({ group }, at) => Array.from(scores.get(group.id)!, (score) => ({ at, score })))
    .sort((a, b) => a.score - b.score || a.at - b.at);
  const steps = limits.scope === 'global' ? unitsBefore : 1000;
  const planned = (taken: number): Omit<CutPlan, 'reached'> => {
    const counts = candidates.map(({ group }) => (taken / steps) * group.units);
    if (limits.scope === 'global') {
      counts.fill(0);
      for (const { at } of ranked.slice(0, taken)) counts[at]!++;
    }
    const cut = new Map<string, number[]>();
    let units = 0;
    for (const [at, { group, order, least, step }] of candidates.entries()) {
      const wanted = Math.max(least, group.units - Math.round(counts[at]!));
      const kept = Math.min(group.units, group.units >= step ? Math.ceil(wanted / step) * step : wanted);
      if (kept === group.units) continue;
      units += group.units - kept;
      cut.set(
        group.id,
        order.slice(0, group.units - kept).toSorted((a, b) => a - b),
      );
    }
    const macs = macsAfter(groups.macs, groups.axes, numbersOf(groups, cut));
    return { cut, macs, macsBefore: groups.macs.total, units, unitsBefore };
  };
  // More taken never leaves more: the least that is enough is found by halving.
  let [low, high] = [0, steps];
  const most = planned(high);
  if (!enough(most)) return { ...most, reached: false };
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (enough(planned(middle))) high = middle;
    else low = middle + 1;
  }
  return { ...planned(high), reached: true };
}

function checked(limits: CutLimits): CutLimits {
  const { roundTo, minUnits, maxRatio } = limits;
  for (const [name, value] of Object.entries({ roundTo, minUnits })) {
    if (!Number.isInteger(value) || value < 1) {
      throw fail('PRUNE_OPTION_INVALID', `${name} ${value} is no whole number above 0`);
    }
  }
  if (!(maxRatio > 0 && maxRatio <= 1)) {
    throw fail('PRUNE_OPTION_INVALID', `maxRatio ${maxRatio} is not within 0 and 1`);
  }
  return limits;
}

function candidatesOf({ groups }: PruneGroups, scores: UnitScores, limits: CutLimits): Candidate[] {
  const patterns = limits.exclude.map(patternOf);
  // What reads the units does not count: to spare a layer is to keep what it makes.
  const stays = ({ id, members }: PruneGroup) =>
    patterns.some(
      (pattern) =>
        pattern.test(id) ||
        members.some(
          ({ node, initializer, role }) =>
            role !== 'consumer' && (pattern.test(node) || pattern.test(initializer)),
        ),
    );
  const found = groups
    .filter((group) => group.pinned === undefined && group.units > 1 && scores.has(group.id) && !stays(group))
    .map((group): Candidate => {
      const own = scores.get(group.id)!;
      const order = Array.from(own.keys()).sort((a, b) => own[a]! - own[b]! || a - b);
      const least = Math.max(1, limits.minUnits, Math.ceil(group.units * (1 - limits.maxRatio) - 1e-9));
      return { group, order, least, step: limits.roundTo / divisor(limits.roundTo, group.width) };
    });
  if (found.length > 0) return found;
  const [first] = groups;
  throw fail(
    'NOTHING_TO_PRUNE',
    first?.pinned !== undefined ? `"${first.id}" ${first.pinned}` : 'no group of channels is left to cut',
  );
}

function patternOf(text: string): RegExp {
  const parts = text.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`);
}

/** Greatest common divisor. */
function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b);
}
