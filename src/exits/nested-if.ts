import { isDeepStrictEqual } from 'node:util';
import { fail, SILENT } from '../base/index.ts';
import {
  assertValid,
  attr,
  cloneModel,
  type Dim,
  type FunctionDef,
  type Graph,
  type Model,
  makeGraph,
  makeNode,
  removeDead,
  Tensor,
  tensorType,
  type ValueInfo,
} from '../graph/index.ts';
import type { Port } from '../run/index.ts';
import { batchAxes, EXIT_OUTPUT, type Stage, type StagedModel } from '../staged/index.ts';
import { upgradeOpset } from '../transform/index.ts';
import { exitCondition } from './exit-condition.ts';
import { Names, renameGraph } from './renaming.ts';
import { sampleAxes } from './sample-axes.ts';

/** Clip, TopK and If are as we write them from here on. */
const OLDEST_OPSET = 11;

/**
 * A staged model as one ONNX file: after each stage an `If` on its confidence, whose one branch gives the answers of the head and whose
 * other is the next stage. ONNX Runtime computes only the branch that is taken. Inputs and outputs are those of the whole model, and
 * `EXIT_OUTPUT` says at which stage the samples left (where the name is free). A call with several samples leaves when its least sure
 * sample may: for batches run the stages. Stages that nobody leaves at get no `If`. Stages of different opsets are said in the newest.
 * Throws STAGES_INVALID, OPSET_NOT_CONVERTED.
 */
export async function nestedIf(staged: StagedModel): Promise<Model> {
  const models = await inOneOpset(staged.stages);
  return new Nest(staged, models).model();
}

async function inOneOpset(stages: readonly Stage[]): Promise<Model[]> {
  if (stages.length === 0) throw fail('STAGES_INVALID', 'there are no stages');
  const newest = Math.max(OLDEST_OPSET, ...stages.map(({ model }) => opsetOf(model)));
  return Promise.all(
    stages.map(async ({ model }) => {
      if (opsetOf(model) === newest) return cloneModel(model);
      const options = { ...upgradeOpset.defaults, to: newest };
      return cloneModel((await upgradeOpset.apply(model, options, { progress: SILENT, seed: 0 })).model);
    }),
  );
}

const opsetOf = ({ opsets }: Model): number => opsets.get('') ?? opsets.get('ai.onnx') ?? OLDEST_OPSET;

/** What one scope of the nest gives: the names of the answers in the order of the outputs, and of the exit. */
interface Scope {
  readonly graph: Graph;
  readonly results: readonly string[];
}

class Nest {
  readonly #staged: StagedModel;
  readonly #models: readonly Model[];
  readonly #names: Names;
  readonly #marked: boolean;
  readonly #batch: Dim;
  /** An input with the samples, and their axis in it. */
  readonly #lies: { readonly input: string; readonly axis: number } | undefined;

  constructor(staged: StagedModel, models: readonly Model[]) {
    this.#staged = staged;
    this.#models = models;
    this.#marked = !staged.outputs.some(({ name }) => name === EXIT_OUTPUT);
    const outputs = staged.outputs.map(({ name }) => name);
    // The outputs are made by the outermost If; inside, their names are taken.
    this.#names = new Names([...staged.inputs.map(({ name }) => name), ...outputs, EXIT_OUTPUT]);
    const { axes, fixed } = batchAxes(staged.inputs);
    const first = staged.inputs.find(({ name }) => axes[name] !== undefined);
    this.#lies = first && { input: first.name, axis: axes[first.name]! };
    this.#batch = fixed ?? (this.#lies && first?.shape?.[this.#lies.axis]) ?? null;
  }

  model(): Model {
    const { inputs, outputs } = this.#staged;
    const outer = new Map(inputs.map(({ name }) => [name, name]));
    const { graph, results } = this.#scope(0, outer, undefined);
    graph.name = this.#models.at(-1)!.graph.name;
    graph.inputs = inputs.map(infoOf);
    const exit: Port = { name: EXIT_OUTPUT, dtype: 'int32', shape: [this.#batch] };
    graph.outputs = [...outputs, ...(this.#marked ? [exit] : [])].map(infoOf);
    for (const [i, { name }] of graph.outputs.entries()) {
      graph.nodes.push(makeNode('Identity', [results[i]!], [name]));
    }
    this.#fuseLast(graph);
    removeDead(graph);
    const last = this.#models.at(-1)!;
    const model: Model = {
      ...last,
      graph,
      opsets: this.#opsets(),
      irVersion: Math.max(...this.#models.map(({ irVersion }) => irVersion)),
      functions: this.#functions(),
    };
    assertValid(model);
    return model;
  }

  /** The last node's outputs are the graph's: no Identity is needed where an If gives them all. */
  #fuseLast(graph: Graph): void {
    const copies = graph.nodes.slice(-graph.outputs.length);
    const maker = graph.nodes.at(-graph.outputs.length - 1);
    const direct = maker?.op === 'If' && copies.every((copy, i) => copy.inputs[0] === maker.outputs[i]);
    if (!direct) return;
    maker.outputs = copies.map((copy) => copy.outputs[0]!);
    graph.nodes.splice(-copies.length);
  }

  /** Stage `i` and all that follows. `outer`: where what it reads is, by the names of the stage. */
  #scope(i: number, outer: ReadonlyMap<string, string>, rows: string | undefined): Scope {
    const stage = this.#staged.stages[i]!;
    const { graph } = this.#models[i]!;
    const { batch, typeOf } = sampleAxes(this.#models[i]!);
    const scores = stage.exit && typeOf(stage.exit.scores);
    const missing = graph.inputs.find(({ name }) => !outer.has(name) && !graph.initializers.has(name));
    if (missing !== undefined)
      throw fail('STAGES_INVALID', `stage ${stage.id} reads ${missing.name}, which nobody gives`);
    const map = renameGraph(graph, outer, this.#names);
    graph.inputs = [];
    const of = (name: string) => map.get(name) ?? name;
    const answers = () =>
      this.#staged.outputs.map(({ name }) => {
        const own = stage.answers[name];
        if (own === undefined)
          throw fail('STAGES_INVALID', `stage ${stage.id} does not answer output ${name}`);
        return of(own);
      });
    const last = i === this.#staged.stages.length - 1;
    if (last) return { graph, results: [...answers(), ...this.#exit(graph, i, rows)] };
    const inner = new Map(outer);
    for (const name of stage.carried) inner.set(name, of(name));
    const { exit } = stage;
    // No confidence is above 1.
    if (exit === undefined || !(exit.threshold <= 1)) {
      const next = this.#scope(i + 1, inner, rows);
      return { graph: joined(graph, next.graph), results: next.results };
    }
    const condition = exitCondition(exit, {
      scores: of(exit.scores),
      dtype: scores?.dtype ?? 'float32',
      shape: scores?.shape,
      batch,
      opset: opsetOf(this.#models[i]!),
      names: this.#names,
    });
    graph.nodes.push(...condition.nodes);
    for (const [name, tensor] of condition.constants) graph.initializers.set(name, tensor);
    const taken = makeGraph({ name: `${stage.id}_leaves`, inputs: [], outputs: [], nodes: [] });
    const results = [...answers(), ...this.#exit(taken, i, condition.perSample)];
    this.#yield(taken, results);
    const rest = this.#scope(i + 1, inner, condition.perSample);
    rest.graph.name = `${stage.id}_goes_on`;
    this.#yield(rest.graph, rest.results);
    const made = results.map((name) => this.#names.fresh(`${name}_or_later`));
    graph.nodes.push(
      makeNode(
        'If',
        [condition.leaves],
        made,
        { then_branch: attr.graph(taken), else_branch: attr.graph(rest.graph) },
        { name: this.#names.fresh(`${stage.id}_exit`) },
      ),
    );
    return { graph, results: made };
  }

  /** The number of the stage for every sample, int32; `rows` has one element a sample. */
  #exit(graph: Graph, i: number, rows: string | undefined): string[] {
    if (!this.#marked) return [];
    const name = this.#names.fresh(`exit_${i}`);
    if (this.#batch === 1) graph.initializers.set(name, Tensor.of('int32', [1], Int32Array.of(i)));
    else {
      const size = this.#names.fresh('samples');
      graph.nodes.push(...this.#samples(rows, size));
      const value = attr.tensor(Tensor.of('int32', [1], Int32Array.of(i)));
      graph.nodes.push(makeNode('ConstantOfShape', [size], [name], { value }));
    }
    return [name];
  }

  /** int64 [1]: the number of samples, of what has one element a sample, or else of the inputs. */
  #samples(rows: string | undefined, size: string) {
    if (rows !== undefined) return [makeNode('Shape', [rows], [size])];
    const shape = this.#names.fresh('shape');
    const at = this.#names.fresh('axis');
    const { input, axis } = this.#lies!;
    return [
      makeNode('Shape', [input], [shape]),
      makeNode('Constant', [], [at], { value: attr.tensor(Tensor.int64([1], [axis])) }),
      makeNode('Gather', [shape, at], [size]),
    ];
  }

  /** Makes results the outputs of a branch; a branch must make what it gives, even where it only passes it on. */
  #yield(graph: Graph, results: readonly string[]): void {
    const dtypes = [...this.#staged.outputs.map(({ dtype }) => dtype), 'int32' as const];
    const made = new Set(graph.nodes.flatMap(({ outputs }) => outputs));
    graph.outputs = results.map((name, k) => {
      let own = name;
      if (!made.has(name)) {
        own = this.#names.fresh(`${name}_here`);
        graph.nodes.push(makeNode('Identity', [name], [own]));
      }
      return { name: own, type: tensorType(dtypes[k]!, undefined) };
    });
    removeDead(graph);
  }

  #opsets(): Map<string, number> {
    const opsets = new Map<string, number>();
    for (const { opsets: own } of this.#models) {
      for (const [domain, version] of own) {
        const known = opsets.get(domain) ?? version;
        if (known !== version) {
          throw fail('STAGES_INVALID', `stages use versions ${known} and ${version} of domain ${domain}`);
        }
        opsets.set(domain, version);
      }
    }
    return opsets;
  }

  #functions(): FunctionDef[] {
    const found = new Map<string, FunctionDef>();
    for (const fn of this.#models.flatMap(({ functions }) => functions)) {
      const key = JSON.stringify([fn.domain, fn.name, fn.overload ?? '']);
      const known = found.get(key) ?? fn;
      if (!isDeepStrictEqual(known, fn)) {
        throw fail('STAGES_INVALID', `two stages have different functions called ${fn.name}`);
      }
      found.set(key, known);
    }
    return [...found.values()];
  }
}

function infoOf({ name, dtype, shape }: Port): ValueInfo {
  return { name, type: tensorType(dtype, shape) };
}

/** Two graphs in one scope, the first before the second. */
function joined(first: Graph, second: Graph): Graph {
  return {
    ...second,
    nodes: [...first.nodes, ...second.nodes],
    initializers: new Map([...first.initializers, ...second.initializers]),
    sparseInitializers: [...first.sparseInitializers, ...second.sparseInitializers],
    values: new Map([...first.values, ...second.values]),
  };
}
