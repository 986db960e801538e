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

/** Scores from the weights alone (float32): the mean size of a unit's weights, or the root of the mean square. */
export function weightImportance(model: Model, groups: PruneGroups, norm: 'l1' | 'l2'): UnitScores {
  const sizes = (name: string) => {
    const tensor = model.graph.initializers.get(name) ?? constantOf(model.graph, name);
    if (tensor?.dtype !== 'float32') return undefined;
    const values = tensor.as('float32');
    return norm === 'l1' ? values.map(Math.abs) : values.map((value) => value * value);
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
  const free = groups.groups.filter(({ pinned }) => pinned === undefined);
  const told = free.map(({ members }) => members.filter(({ role }) => roles.includes(role)));
  const sums = sumsAlong(model, told.flat(), perElement);
  const scores = new Map<string, Float64Array>();
  for (const [at, { id, units }] of free.entries()) {
    const total = new Float64Array(units);
    let counted = 0;
    for (const member of told[at]!) {
      const along = sums.get(`${member.initializer}[${member.axis}]`);
      if (along === undefined) continue;
      const own = memberScores(member, along, how);
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

/** Sums over all that lies at each index of an axis, and how many elements that is. */
interface Along {
  readonly sums: Float64Array;
  readonly each: number;
}

/** The sums along the axes of members, "constant[axis]"; the elements of each constant are asked for once. */
function sumsAlong(
  { graph }: Model,
  members: readonly Member[],
  perElement: (initializer: string) => ArrayLike<number> | undefined,
): Map<string, Along> {
  const wanted = new Map<string, Set<number>>();
  for (const { initializer, axis } of members) {
    wanted.set(initializer, (wanted.get(initializer) ?? new Set()).add(axis));
  }
  const result = new Map<string, Along>();
  for (const [name, axes] of wanted) {
    const elements = perElement(name);
    if (elements === undefined) continue;
    const { dims } = (graph.initializers.get(name) ?? constantOf(graph, name))!;
    if (elements.length !== sizeOf(dims)) {
      const why = `"${name}" has ${sizeOf(dims)} elements, not ${elements.length}`;
      throw fail('PRUNE_OPTION_INVALID', why);
    }
    for (const axis of axes) {
      result.set(`${name}[${axis}]`, {
        sums: sumAlong(elements, dims, axis),
        each: elements.length / dims[axis]!,
      });
    }
  }
  return result;
}

function sumAlong(elements: ArrayLike<number>, dims: readonly number[], axis: number): Float64Array {
  const [size, inner] = [dims[axis]!, sizeOf(dims.slice(axis + 1))];
  const sums = new Float64Array(size);
  for (let at = 0; at < elements.length; ) {
    for (let index = 0; index < size; index++) {
      let sum = 0;
      for (const end = at + inner; at < end; at++) sum += elements[at]!;
      sums[index]! += sum;
    }
  }
  return sums;
}

function memberScores({ indices }: Member, { sums, each }: Along, how: Aggregation): Float64Array {
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
