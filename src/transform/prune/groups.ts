import { constantOf, labelOf, type Model, sizeOf } from '../../graph/index.ts';
import type { AxisUnits, Member, PruneGroup, PruneGroups } from './group.ts';
import { macParts, macsAfter } from './macs.ts';
import { rolesOf, type Use } from './roles.ts';
import type { Axis } from './terms.ts';
import { type Traced, traceAxes } from './trace.ts';

/**
 * Dependency groups of a model (Fang et al., "DepGraph: Towards any structural pruning", 2023, on ONNX): what must
 * shrink together. Follows channels of the main graph through elementwise ops, norms, Concat, Split, Reshape, grouped
 * convolutions and attention; what it does not understand is pinned, with the reason. Symbolic axes stay as they are.
 */
export function pruneGroups(model: Model): PruneGroups {
  const traced = traceAxes(model);
  const arrays = distinct(traced);
  pinWhole(traced, arrays);
  const units = unitsOf(traced, arrays);
  const axes = frozen(traced, units.number);
  const macs = macParts(model, traced.shapes);
  const names = constants(model, traced);
  const roles = rolesOf(model, traced);
  const members = membersOf(names, axes, units, roles);
  const first = new Map<string, number>();
  const taken = new Set<string>();
  const groups: PruneGroup[] = [];
  for (const [at, variables] of units.groups.entries()) {
    const from = units.number.get(variables[0]!)!;
    const own = members[at]!;
    const id = unique(idOf(own, from), taken);
    first.set(id, from);
    const mixes = variables.map((variable) => traced.terms.mixing(variable)).find(Boolean);
    groups.push({
      id,
      units: variables.length,
      width: widthOf(own),
      members: own,
      parameters: parametersOf(model, own),
      macs: macs.total - macsAfter(macs, axes, new Set([from])),
      ...(mixes !== undefined && { mixes }),
    });
  }
  groups.push(...pinnedGroups(names, traced, roles, taken));
  return { groups, first, count: units.number.size, axes, macs };
}

/** All arrays of terms, each once, with the name it was first seen under. */
function distinct({ axes }: Traced): Int32Array[] {
  const seen = new Set<Int32Array>();
  for (const own of axes.values()) for (const axis of own) if (typeof axis !== 'string') seen.add(axis);
  return [...seen];
}

/** A variable that goes with every index of an axis cannot be cut. */
function pinWhole({ terms }: Traced, arrays: readonly Int32Array[]): void {
  for (let again = true; again; ) {
    again = false;
    for (const array of arrays) {
      if (array.length === 0) continue;
      let common = terms.variables(array[0]!);
      for (let i = 1; i < array.length && common.length > 0; i++) {
        const here = terms.variables(array[i]!);
        common = common.filter((variable) => here.includes(variable));
      }
      for (const variable of common) {
        terms.pin(variable, 'is all that there is of an axis');
        again = true;
      }
    }
  }
}

/** The variables of each group, and the number of each variable. */
interface Units {
  readonly groups: readonly (readonly number[])[];
  readonly number: ReadonlyMap<number, number>;
}

/** Units with the same places in the same axes form a group: numbers run through group after group. */
function unitsOf({ terms }: Traced, arrays: readonly Int32Array[]): Units {
  const places = new Map<number, string[]>();
  for (const [id, array] of arrays.entries()) {
    const counts = new Map<number, number>();
    for (const term of array) {
      for (const variable of terms.variables(term)) counts.set(variable, (counts.get(variable) ?? 0) + 1);
    }
    for (const [variable, count] of counts) {
      const own = places.get(variable);
      if (own === undefined) places.set(variable, [`${id}:${count}`]);
      else own.push(`${id}:${count}`);
    }
  }
  const bySignature = new Map<string, number[]>();
  for (const [variable, own] of places) {
    const signature = own.join();
    const same = bySignature.get(signature);
    if (same === undefined) bySignature.set(signature, [variable]);
    else same.push(variable);
  }
  const number = new Map<number, number>();
  const groups = [...bySignature.values()];
  for (const group of groups) for (const variable of group) number.set(variable, number.size);
  return { groups, number };
}

/** The axes of all values in numbers of units; undefined where nothing may be cut. */
function frozen({ terms, axes }: Traced, number: ReadonlyMap<number, number>) {
  const done = new Map<Int32Array, AxisUnits | undefined>();
  const freeze = (axis: Axis): AxisUnits | undefined => {
    if (typeof axis === 'string') return undefined;
    if (done.has(axis)) return done.get(axis);
    const offsets = new Int32Array(axis.length + 1);
    const units: number[] = [];
    for (const [i, term] of axis.entries()) {
      for (const variable of terms.variables(term)) units.push(number.get(variable)!);
      offsets[i + 1] = units.length;
    }
    const made = units.length === 0 ? undefined : { offsets, units: Int32Array.from(units) };
    done.set(axis, made);
    return made;
  };
  const result = new Map<string, (AxisUnits | undefined)[]>();
  for (const [name, own] of axes) {
    const made = own.map(freeze);
    if (made.some((axis) => axis !== undefined)) result.set(name, made);
  }
  return result;
}

/** The constants that tracing has met, with their float elements. */
function constants(model: Model, { axes }: Traced): string[] {
  const made = new Set<string>();
  for (const node of model.graph.nodes) {
    if (node.op !== 'Constant') for (const name of node.outputs) made.add(name);
  }
  for (const { name } of model.graph.inputs) made.add(name);
  return [...axes.keys()].filter((name) => !made.has(name));
}

/** The slices of every constant by group; a pass over each axis. */
function membersOf(
  names: readonly string[],
  axes: PruneGroups['axes'],
  { groups }: Units,
  roles: ReadonlyMap<string, Use>,
): Member[][] {
  const owner = Int32Array.from(groups.flatMap((group, at) => group.map(() => at)));
  const start: number[] = [];
  let count = 0;
  for (const group of groups) {
    start.push(count);
    count += group.length;
  }
  const members = groups.map((): Member[] => []);
  for (const name of names) {
    for (const [axis, own] of (axes.get(name) ?? []).entries()) {
      if (own === undefined) continue;
      const found = new Map<number, number[][]>();
      for (let i = 0; i + 1 < own.offsets.length; i++) {
        for (let at = own.offsets[i]!; at < own.offsets[i + 1]!; at++) {
          const group = owner[own.units[at]!]!;
          let indices = found.get(group);
          if (indices === undefined) {
            indices = groups[group]!.map(() => []);
            found.set(group, indices);
          }
          indices[own.units[at]! - start[group]!]!.push(i);
        }
      }
      for (const [group, indices] of found) {
        members[group]!.push({ initializer: name, axis, indices, ...usedAs(roles.get(name), axis) });
      }
    }
  }
  return members;
}

function usedAs(use: Use | undefined, axis: number): Pick<Member, 'role' | 'node' | 'op'> {
  if (use === undefined) return { role: 'along', node: '', op: '' };
  return { role: use.role(axis), node: labelOf(use.node), op: use.node.op };
}

/** Named after the weight that makes the units, or else after the first that has them; after the unit where none has. */
function idOf(members: readonly Member[], from: number): string {
  const named = members.find(({ role }) => role === 'producer') ?? members[0];
  return named === undefined ? `values of unit ${from}` : `${named.initializer}[${named.axis}]`;
}

function unique(stem: string, taken: Set<string>): string {
  let id = stem;
  for (let n = 2; taken.has(id); n++) id = `${stem}#${n}`;
  taken.add(id);
  return id;
}

/** Neighbouring indices of the first unit in the weight that makes it. */
function widthOf(members: readonly Member[]): number {
  const indices = (members.find(({ role }) => role === 'producer') ?? members[0])?.indices[0] ?? [];
  let width = 1;
  while (indices[width] === indices[0]! + width) width++;
  return width;
}

function parametersOf({ graph }: Model, members: readonly Member[]): number {
  let count = 0;
  for (const { initializer, axis, indices } of members) {
    const dims = (graph.initializers.get(initializer) ?? constantOf(graph, initializer))!.dims;
    count += (indices[0]!.length * sizeOf(dims)) / dims[axis]!;
  }
  return count;
}

/** Axes of constants that keep their size, those that stay together in one group. */
function pinnedGroups(
  names: readonly string[],
  { axes, terms }: Traced,
  roles: ReadonlyMap<string, Use>,
  taken: Set<string>,
): PruneGroup[] {
  const found = new Map<number, { members: Member[]; why: string }>();
  for (const name of names) {
    for (const [at, axis] of axes.get(name)!.entries()) {
      const use = usedAs(roles.get(name), at);
      // Kernels and the like are no channels.
      const inside = use.role === 'along' && roles.get(name)?.role(0) !== 'along';
      if (typeof axis === 'string' || inside) continue;
      const indices = [...axis.keys()].filter((i) => terms.variables(axis[i]!).length === 0).map((i) => [i]);
      if (indices.length === 0) continue;
      const one = terms.leaf(axis[indices[0]![0]!]!);
      const group = found.get(one) ?? { members: [], why: terms.reason(one) ?? 'is pinned' };
      group.members.push({ initializer: name, axis: at, indices, ...use });
      found.set(one, group);
    }
  }
  return [...found.values()].map(({ members, why }) => ({
    id: unique(idOf(members, 0), taken),
    units: members[0]!.indices.length,
    width: 1,
    members,
    parameters: 0,
    macs: 0,
    pinned: why,
  }));
}
