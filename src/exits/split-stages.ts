import { fail } from '../base/index.ts';
import {
  cloneModel,
  cloneNode,
  costOf,
  type Graph,
  type GraphIndex,
  indexGraph,
  isConstant,
  labelOf,
  type Model,
  makeNode,
  type Node,
  namer,
  readsOf,
  removeDead,
  topologicalOrder,
  type ValueInfo,
} from '../graph/index.ts';
import type { ExitRule, Stage, StagedModel } from '../staged/index.ts';
import { isDeterministic } from '../transform/index.ts';
import { portsOf, type SampleAxes, sampleAxes } from './sample-axes.ts';

/** Where a stage ends, and how it answers. */
export interface ExitCut {
  /** Of the stage. Default: stage-1, stage-2, ... */
  readonly id?: string;
  /** Tensors that must be there at the end of the stage, besides what its answers need: the trunk up to here. */
  readonly cut: readonly string[];
  /** Output of the whole model to the tensor that answers for it here: the output of a head. */
  readonly answers: Readonly<Record<string, string>>;
  /** `scores` names a tensor of the model. */
  readonly exit: ExitRule;
}

export interface SplitStagesOptions {
  /** The outputs of the whole model, in their order. Default: its outputs, without those that only answer at exits. */
  readonly outputs?: readonly string[];
}

/** Operators that only move data: their work may be done again in a later stage. */
const MOVES: ReadonlySet<string> = new Set([
  'Cast',
  'Expand',
  'Flatten',
  'Identity',
  'Reshape',
  'Shape',
  'Slice',
  'Squeeze',
  'Transpose',
  'Unsqueeze',
]);

/**
 * Cuts a model with exit heads into stages so that no work is done twice. Each stage computes what its cut and its answers need beyond
 * earlier stages; the last one the rest. What a later stage reads is carried to it. Sizes of the batch, and what else does not belong to
 * single samples, are made again where they are read, since fewer samples come there; values that are quantized at the cut are carried
 * as bytes. Stages run one after the other give what the whole gives. Throws SPLIT_REFUSED, MODEL_INVALID.
 */
export function splitStages(
  model: Model,
  exits: readonly ExitCut[],
  options: SplitStagesOptions = {},
): StagedModel {
  const heads = new Set(exits.flatMap(({ answers, exit }) => [...Object.values(answers), exit.scores]));
  const { graph } = model;
  const names = options.outputs ?? graph.outputs.flatMap(({ name }) => (heads.has(name) ? [] : [name]));
  const outputs = names.map((name): ValueInfo => {
    const found = graph.outputs.find((output) => output.name === name);
    if (found === undefined) throw fail('SPLIT_REFUSED', `the model has no output ${name}`);
    return found;
  });
  if (outputs.length === 0) throw fail('SPLIT_REFUSED', 'no output is left but those of the heads');
  const splitter = new Splitter(model, sampleAxes(model), exits, names);
  const stages = splitter.stages();
  const inputs = graph.inputs.filter(({ name }) => !graph.initializers.has(name));
  return {
    stages,
    inputs: portsOf(model, inputs, splitter.axes),
    outputs: portsOf(model, outputs, splitter.axes),
  };
}

class Splitter {
  readonly axes: SampleAxes;
  readonly #model: Model;
  readonly #graph: Graph;
  readonly #exits: readonly ExitCut[];
  readonly #outputs: readonly string[];
  readonly #index: GraphIndex;
  readonly #producers: ReadonlyMap<string, Node>;
  /** Nodes that read nothing but constants: every stage that needs them has them. */
  readonly #steady = new Set<Node>();
  readonly #order: readonly Node[];
  /** The stage that computes a node; nodes that nobody needs are absent. */
  readonly #stageOf = new Map<Node, number>();
  /** Per stage: nodes of earlier stages that are computed again. */
  readonly #again: Set<Node>[];
  /** Per stage: what it takes from earlier ones, and what it gives to later ones. */
  readonly #taken: Set<string>[];
  readonly #given: Set<string>[];

  constructor(model: Model, axes: SampleAxes, exits: readonly ExitCut[], outputs: readonly string[]) {
    this.axes = axes;
    this.#model = model;
    this.#graph = model.graph;
    this.#exits = exits;
    this.#outputs = outputs;
    this.#index = indexGraph(model.graph);
    this.#producers = this.#index.producers;
    this.#order = topologicalOrder(model.graph);
    const sets = <T>() => Array.from({ length: exits.length + 1 }, () => new Set<T>());
    this.#again = sets<Node>();
    this.#taken = sets<string>();
    this.#given = sets<string>();
    const fed = new Set(model.graph.inputs.map(({ name }) => name));
    for (const node of this.#order) {
      const own = (name: string) => {
        const maker = this.#producers.get(name);
        return maker === undefined ? !fed.has(name) : this.#steady.has(maker);
      };
      if (isDeterministic(node) && [...readsOf(node)].every(own)) this.#steady.add(node);
    }
    this.#assign();
    this.#quantizeBeforeCuts();
  }

  stages(): Stage[] {
    const all = [...this.#exits.keys(), this.#exits.length];
    const answers = all.map(
      (i): Readonly<Record<string, string>> =>
        i < this.#exits.length
          ? this.#exits[i]!.answers
          : Object.fromEntries(this.#outputs.map((name) => [name, name])),
    );
    for (const i of all) {
      for (const node of this.#order) {
        if (this.#stageOf.get(node) === i) for (const name of readsOf(node)) this.#take(i, name);
      }
      for (const name of this.#answering(i, answers[i]!)) this.#take(i, name);
    }
    return all.map((i) => this.#stage(i, answers[i]!));
  }

  #answering(i: number, answers: Readonly<Record<string, string>>): string[] {
    const scores = this.#exits[i]?.exit.scores;
    return [...new Set([...Object.values(answers), ...(scores === undefined ? [] : [scores])])];
  }

  /** Every node goes to the first stage that needs it. */
  #assign(): void {
    const assign = (i: number, wanted: readonly string[]) => {
      const todo = [...wanted];
      for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
        const node = this.#producers.get(name);
        if (node === undefined || this.#stageOf.has(node)) continue;
        this.#stageOf.set(node, i);
        todo.push(...readsOf(node));
      }
    };
    for (const [i, { cut, answers, exit }] of this.#exits.entries()) {
      const missing = this.#outputs.find((name) => answers[name] === undefined);
      if (missing !== undefined) {
        throw fail('SPLIT_REFUSED', `exit ${i + 1} does not answer output ${missing}`);
      }
      const wanted = [...cut, ...Object.values(answers), exit.scores];
      for (const name of wanted) this.#mustExist(name);
      assign(i, wanted);
    }
    assign(this.#exits.length, this.#outputs);
  }

  #mustExist(name: string): void {
    const { inputs, initializers } = this.#graph;
    if (this.#producers.has(name) || initializers.has(name) || inputs.some((input) => input.name === name))
      return;
    throw fail('SPLIT_REFUSED', `the model has no tensor ${name}`);
  }

  /**
   * Where all that later stages do with a value is to quantize it, they are spared the float: the earlier stage does it. Its last
   * operator then still ends in a quantization, without which the runtime would not compute it on integers.
   */
  #quantizeBeforeCuts(): void {
    const { consumers } = this.#index;
    for (const node of this.#order) {
      const own = this.#stageOf.get(node);
      if (own === undefined) continue;
      for (const name of node.outputs) {
        const later = (consumers.get(name) ?? []).filter(
          (reader) => (this.#stageOf.get(reader) ?? own) > own,
        );
        const byOne = later.length === 1 && later[0]!.op === 'QuantizeLinear' && later[0]!.inputs[0] === name;
        if (!byOne || this.#outputs.includes(name) || !this.#constantBut(later[0]!)) continue;
        this.#stageOf.set(later[0]!, own);
      }
    }
  }

  /** All inputs after the first are constants. */
  #constantBut(node: Node): boolean {
    return node.inputs.slice(1).every((name) => name === '' || isConstant(this.#graph, name, this.#index));
  }

  /** Sees to it that a value is at hand in stage `i`. */
  #take(i: number, name: string): void {
    const node = this.#producers.get(name);
    if (node === undefined || this.#stageOf.get(node) === i || this.#again[i]!.has(node)) return;
    if (this.#taken[i]!.has(name)) return;
    const belongs = this.#steady.has(node) ? 'call' : this.axes.belongs(name);
    const bytes = node.op === 'DequantizeLinear' && node.domain === '' && this.#constantBut(node);
    const fromSamples = bytes && this.axes.belongs(node.inputs[0]!) === 'samples';
    if (belongs === 'samples' && !fromSamples) {
      const from = this.#stageOf.get(node)!;
      this.#taken[i]!.add(name);
      this.#given[from]!.add(name);
      return;
    }
    const refuse = (why: string) =>
      fail('SPLIT_REFUSED', `${name}, made by ${labelOf(node)}, is read after a cut, and ${why}`, {
        value: name,
        hint: 'Cut elsewhere, or free the batch of the model first (the pass free-batch).',
      });
    if (belongs === 'unclear' && !(node.domain === '' && MOVES.has(node.op))) {
      throw refuse('its samples are not known to be its first axis');
    }
    if (!isDeterministic(node)) throw refuse('random numbers would be drawn again');
    this.#again[i]!.add(node);
    for (const read of readsOf(node)) this.#take(i, read);
  }

  #stage(i: number, answers: Readonly<Record<string, string>>): Stage {
    const rule = this.#exits[i]?.exit;
    const id = this.#exits[i]?.id ?? `stage-${i + 1}`;
    const model = cloneModel(this.#model);
    const { graph } = model;
    const nodes = this.#order.filter((node) => this.#stageOf.get(node) === i || this.#again[i]!.has(node));
    graph.nodes = nodes.map(cloneNode);
    const made = new Set(nodes.flatMap(({ outputs }) => outputs));
    const fresh = namer(this.#graph);
    const own = new Map<string, string>();
    for (const name of this.#answering(i, answers)) {
      // What this stage did not make needs a name of its own: nothing may be input and output at once.
      if (made.has(name)) own.set(name, name);
      else {
        own.set(name, fresh(`${name}_${id}`));
        graph.nodes.push(makeNode('Identity', [name], [own.get(name)!]));
      }
    }
    const carried = [...this.#given[i]!];
    const outputs = new Set([...own.keys(), ...carried]);
    graph.outputs = [...outputs].map((name) => ({ ...this.#infoOf(name), name: own.get(name) ?? name }));
    const read = new Set(graph.nodes.flatMap((node) => [...readsOf(node)]));
    graph.inputs = [
      ...this.#graph.inputs.filter(({ name }) => read.has(name)),
      ...[...this.#taken[i]!].map((name) => this.#infoOf(name)),
    ];
    for (const name of graph.initializers.keys()) if (!read.has(name)) graph.initializers.delete(name);
    removeDead(graph, () => true);
    for (const { name } of [...graph.inputs, ...graph.outputs]) graph.values.delete(name);
    return {
      id,
      model,
      answers: Object.fromEntries(Object.entries(answers).map(([whole, name]) => [whole, own.get(name)!])),
      carried,
      ...(rule !== undefined && { exit: { ...rule, scores: own.get(rule.scores)! } }),
      macs: costOf(model).total.macs / (typeof this.axes.batch === 'number' ? this.axes.batch : 1),
    };
  }

  /** Type and name of a value that becomes an input or output of a stage. */
  #infoOf(name: string): ValueInfo {
    const declared = [...this.#graph.outputs, ...this.#graph.inputs].find((info) => info.name === name);
    const found = this.axes.typeOf(name);
    if (declared !== undefined && (declared.type.kind !== 'tensor' || declared.type.shape !== undefined))
      return declared;
    if (found !== undefined) return { name, type: { kind: 'tensor', ...found } };
    if (declared !== undefined) return declared;
    throw fail('SPLIT_REFUSED', `the dtype of ${name}, which is read after a cut, is not known`, {
      value: name,
    });
  }
}
