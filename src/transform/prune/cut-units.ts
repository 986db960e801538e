import { fail } from '../../base/index.ts';
import {
  assertValid,
  attr,
  cloneModel,
  constantOf,
  type Graph,
  indexGraph,
  inferShapes,
  type Model,
  type Node,
  namer,
  removeDead,
  type Shape,
  type Tensor,
} from '../../graph/index.ts';
import { type AxisUnits, groupOf, type PruneGroups } from './group.ts';
import { keptIndices } from './macs.ts';
import type { CutSite } from './rule.ts';
import { pruneRuleOf } from './rules/index.ts';
import { sliceTensor } from './slice-tensor.ts';

/** The units to cut, counted from 0 in each group, by the id of the group. */
export type UnitCut = ReadonlyMap<string, readonly number[]>;

/**
 * A smaller model without these units: every constant of their groups is sliced, and what holds sizes (targets of Reshape,
 * sizes of Split, numbers of groups, hidden sizes) is written anew. Names of values stay. `groups` must be those of this very
 * model. Throws PRUNE_CUT_INVALID for a group or unit that is not there, that is pinned, or of which nothing would remain.
 */
export function cutUnits(model: Model, groups: PruneGroups, cut: UnitCut): Model {
  const gone = numbersOf(groups, cut);
  const result = cloneModel(model);
  if (gone.size === 0) return result;
  new Cutter(model, result.graph, groups, gone).run();
  assertValid(result);
  inferShapes(result, { strict: false });
  return result;
}

/** The global numbers of the units of a cut. Throws PRUNE_CUT_INVALID. */
export function numbersOf(groups: PruneGroups, cut: UnitCut): Set<number> {
  const gone = new Set<number>();
  for (const [id, units] of cut) {
    const group = groupOf(groups, id);
    const first = groups.first.get(id);
    if (group === undefined || first === undefined) {
      throw fail(
        'PRUNE_CUT_INVALID',
        group === undefined ? `there is no group "${id}"` : `"${id}" ${group.pinned}`,
      );
    }
    for (const unit of units) {
      if (!Number.isInteger(unit) || unit < 0 || unit >= group.units) {
        throw fail('PRUNE_CUT_INVALID', `"${id}" has ${group.units} units, none with number ${unit}`);
      }
      gone.add(first + unit);
    }
    if (new Set(units).size >= group.units)
      throw fail('PRUNE_CUT_INVALID', `nothing of "${id}" would remain`);
  }
  return gone;
}

class Cutter {
  readonly #model: Model;
  readonly #graph: Graph;
  readonly #groups: PruneGroups;
  readonly #gone: ReadonlySet<number>;
  readonly #kept = new Map<AxisUnits, readonly number[]>();

  constructor(model: Model, graph: Graph, groups: PruneGroups, gone: ReadonlySet<number>) {
    this.#model = model;
    this.#graph = graph;
    this.#groups = groups;
    this.#gone = gone;
  }

  run(): void {
    this.#nodes();
    this.#constants();
    for (const [name, info] of this.#graph.values) {
      if (info.type.kind !== 'tensor') continue;
      const shape = info.type.shape?.map((dim, axis) => this.#indices(name, axis)?.length ?? dim);
      this.#graph.values.set(name, { ...info, type: { ...info.type, shape } });
    }
    removeDead(this.#graph);
  }

  /** What remains of an axis; undefined where nothing of it can go. */
  #indices(name: string, axis: number): readonly number[] | undefined {
    const units = this.#groups.axes.get(name)?.[axis];
    if (units === undefined) return undefined;
    let kept = this.#kept.get(units);
    if (kept === undefined) {
      kept = keptIndices(units, this.#gone);
      this.#kept.set(units, kept);
    }
    return kept;
  }

  #constants(): void {
    const slice = (name: string, tensor: Tensor): Tensor => {
      let made = tensor;
      for (const [axis, size] of tensor.dims.entries()) {
        const kept = this.#indices(name, axis);
        const units = this.#groups.axes.get(name)?.[axis];
        if (kept === undefined || kept.length === size) continue;
        if (units!.offsets.length - 1 !== size) {
          throw fail('PRUNE_CUT_INVALID', `"${name}" has another shape than in the model of the groups`);
        }
        made = sliceTensor(made, axis, kept);
      }
      return made;
    };
    for (const [name, tensor] of this.#graph.initializers) {
      const made = slice(name, tensor);
      if (made !== tensor) this.#graph.initializers.set(name, made);
    }
    for (const node of this.#graph.nodes) {
      const name = node.outputs[0] ?? '';
      const tensor = node.op === 'Constant' ? constantOf(this.#model.graph, name) : undefined;
      const made = tensor && slice(name, tensor);
      if (made !== tensor) node.attributes = new Map([['value', attr.tensor(made!)]]);
    }
  }

  #nodes(): void {
    const fresh = namer(this.#graph);
    const shapes = inferShapes(this.#model, { strict: false });
    const index = indexGraph(this.#model.graph);
    const before = (name: string): NonNullable<Shape> =>
      shapes.get(name)?.shape ?? constantOf(this.#model.graph, name, index)?.dims ?? [];
    const site = (node: Node): CutSite => ({
      node,
      opset: this.#model.opsets.get(node.domain) ?? 1,
      before,
      after: (name) => before(name).map((dim, axis) => this.#indices(name, axis)?.length ?? dim),
      kept: (name, axis, from, to) => {
        const kept = this.#indices(name, axis);
        return kept === undefined ? to - from : kept.filter((i) => i >= from && i < to).length;
      },
      constant: (input) => constantOf(this.#model.graph, node.inputs[input] ?? '', index),
      setInput: (input, tensor, of = node) => {
        while (of.inputs.length < input) of.inputs.push('');
        const name = fresh(`${of.name || of.outputs[0]}_${input}`);
        this.#graph.initializers.set(name, tensor);
        of.inputs[input] = name;
      },
      readers: (value) =>
        this.#graph.nodes.flatMap((reader) => {
          if (!reader.inputs.includes(value)) return [];
          return reader.inputs.flatMap((name, input) => {
            const constant = constantOf(this.#model.graph, name, index);
            return constant === undefined ? [] : [{ node: reader, input, constant }];
          });
        }),
    });
    for (const node of this.#graph.nodes) {
      const touched = [...node.inputs, ...node.outputs].some((name) => this.#groups.axes.has(name));
      if (touched) pruneRuleOf(node)?.cut?.(site(node));
    }
  }
}
