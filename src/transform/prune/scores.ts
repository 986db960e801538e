import { fail } from '../../base/index.ts';
import { constantOf, type Model, sizeOf } from '../../graph/index.ts';
import type { Member, PruneGroups, Role } from './group.ts';

/** How much each unit of a group matters, by the id of the group. The mean over a group is 1, so that groups can be compared. */
export type UnitScores = ReadonlyMap<string, Float64Array>;

/**
 * How the elements of a unit become one number. `mean` and `root-mean`: the mean (its root) over each slice in units of that of the member, then the
 * mean over the members, for figures that depend on the scale of a layer, such as sizes of weights. `sum`: over all
 * elements of all members, for figures that add up, such as |weight x gradient|.
 */
export type Aggregation = 'mean' | 'root-mean' | 'sum';

/** Scores from the weights alone: the mean size of a unit's weights, or the root of the mean square. */
export function weightImportance(model: Model, groups: PruneGroups, norm: 'l1' | 'l2'): UnitScores {
  const square = (value: number) => value * value;
  const sizes = (name: string) => {
    const tensor = model.graph.initializers.get(name) ?? constantOf(model.graph, name);
    if (tensor?.dtype !== 'float32' && tensor?.dtype !== 'float64') return undefined;
    return Float64Array.from(tensor.numbers(), norm === 'l1' ? Math.abs : square);
  };
  return unitScores(model, groups, sizes, norm === 'l1' ? 'mean' : 'root-mean');
}

/**
 * Scores from a score of each element of each constant (row-major; undefined: the constant has no say). Only weights that
 * make or read units count unless `roles` says otherwise; a group without any gets no scores. Throws PRUNE_OPTION_INVALID
 * where the number of elements does not fit.
 */
export function unitScores(
  model: Model,
  groups: PruneGroups,
  perElement: (initializer: string) => ArrayLike<number> | undefined,
  how: Aggregation,
  roles: readonly Role[] = ['producer', 'consumer'],
): UnitScores {
  const scores = new Map<string, Float64Array>();
  for (const { id, units, members, pinned } of groups.groups) {
    if (pinned !== undefined) continue;
    const total = new Float64Array(units);
    let counted = 0;
    for (const member of members) {
      if (!roles.includes(member.role)) continue;
      const elements = perElement(member.initializer);
      if (elements === undefined) continue;
      const own = memberScores(model, member, elements, how);
      const mean = how === 'sum' ? 1 : meanOf(own);
      for (let unit = 0; unit < units; unit++) total[unit]! += mean > 0 ? own[unit]! / mean : 0;
      counted++;
    }
    if (counted > 0) scores.set(id, normalized(total));
  }
  return scores;
}

/**
 * Scores from a score of each index of an axis of values (the mean size of each channel of activations, say): the mean over
 * all indices of all given values that a unit goes with.
 */
export function valueScores(
  groups: PruneGroups,
  given: ReadonlyMap<string, { readonly axis: number; readonly scores: ArrayLike<number> }>,
): UnitScores {
  const sums = new Float64Array(groups.count);
  const counts = new Float64Array(groups.count);
  for (const [value, { axis, scores }] of given) {
    const own = groups.axes.get(value)?.[axis];
    if (own === undefined) continue;
    if (scores.length !== own.offsets.length - 1) {
      const why = `axis ${axis} of "${value}" has ${own.offsets.length - 1} indices, not ${scores.length}`;
      throw fail('PRUNE_OPTION_INVALID', why);
    }
    for (let i = 0; i < scores.length; i++) {
      for (let at = own.offsets[i]!; at < own.offsets[i + 1]!; at++) {
        sums[own.units[at]!]! += scores[i]!;
        counts[own.units[at]!]! += 1;
      }
    }
  }
  const result = new Map<string, Float64Array>();
  for (const { id, units } of groups.groups) {
    const first = groups.first.get(id);
    if (first === undefined || counts[first] === 0) continue;
    result.set(
      id,
      normalized(sums.slice(first, first + units).map((sum, unit) => sum / counts[first + unit]!)),
    );
  }
  return result;
}

function memberScores(
  { graph }: Model,
  { initializer, axis, indices }: Member,
  elements: ArrayLike<number>,
  how: Aggregation,
): Float64Array {
  const { dims } = (graph.initializers.get(initializer) ?? constantOf(graph, initializer))!;
  if (elements.length !== sizeOf(dims)) {
    const why = `"${initializer}" has ${sizeOf(dims)} elements, not ${elements.length}`;
    throw fail('PRUNE_OPTION_INVALID', why);
  }
  const [inner, size] = [sizeOf(dims.slice(axis + 1)), dims[axis]!];
  const sums = new Float64Array(size);
  for (let at = 0; at < elements.length; at++) sums[Math.floor(at / inner) % size]! += elements[at]!;
  const each = elements.length / size;
  return Float64Array.from(indices, (own) => {
    const sum = own.reduce((total, index) => total + sums[index]!, 0);
    if (how === 'sum') return sum;
    const mean = sum / (own.length * each);
    return how === 'mean' ? mean : Math.sqrt(mean);
  });
}

function meanOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** In units of the mean. Where that is nothing all units matter the same. */
function normalized(values: Float64Array): Float64Array {
  const mean = meanOf(values);
  return mean > 0 ? values.map((value) => value / mean) : values.fill(1);
}
