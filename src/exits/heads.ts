import { fail } from '../base/index.ts';
import {
  type Attribute,
  attr,
  cloneModel,
  type Graph,
  inferShapes,
  type Model,
  makeNode,
  namer,
  Tensor,
  tensorType,
} from '../graph/index.ts';
import type { Answer } from './answers.ts';
import type { Place } from './places.ts';
import { addPooling, type Pooling } from './pooling.ts';

/** A fully connected layer: weight [out, in], bias [out]. */
export interface Layer {
  readonly weight: Tensor;
  readonly bias: Tensor;
}

/** The numbers of a head: an inner layer with a Relu where it has one, and a last layer for each answer. */
export interface HeadWeights {
  readonly hidden?: Layer;
  readonly answers: ReadonlyMap<string, Layer>;
}

/** A head that is to be: where it reads and how. */
export interface HeadPlan {
  readonly id: string;
  readonly place: Place;
  readonly pooling: Pooling;
  readonly features: number;
  /** Units of an inner layer; 0: none. */
  readonly hidden: number;
}

/** A head in a model. */
export interface Head extends HeadPlan {
  /** Output of the whole model to output of this head. */
  readonly answers: Readonly<Record<string, string>>;
}

export interface MultiExitModel {
  /** One model with the outputs of the whole one first, unchanged, and those of each head after them. */
  readonly model: Model;
  readonly heads: readonly Head[];
}

/** Attaches heads, each answering all that the model answers, in the same shape and ending in the same function. */
export function addHeads(
  model: Model,
  answers: readonly Answer[],
  plans: readonly { readonly plan: HeadPlan; readonly weights: HeadWeights }[],
): MultiExitModel {
  const copy = cloneModel(model);
  const { graph } = copy;
  const name = namer(graph);
  const first = inferShapes(copy, { strict: false }).get(answers[0]!.name)?.shape?.[0] ?? null;
  const heads = plans.map(({ plan, weights }): Head => {
    const features = addPooling(copy, plan.place, plan.pooling, plan.id, name);
    const own = writeHead(graph, plan, weights, answers, features, name);
    for (const answer of answers) {
      graph.outputs.push({ name: own[answer.name]!, type: tensorType('float32', [first, ...answer.dims]) });
    }
    return { ...plan, answers: own };
  });
  return { model: copy, heads };
}

/** Writes the layers of a head that reads features; gives the names of its outputs. */
export function writeHead(
  graph: Graph,
  { id }: Pick<HeadPlan, 'id'>,
  weights: HeadWeights,
  answers: readonly Answer[],
  features: string,
  name: (stem: string) => string,
): Record<string, string> {
  const add = (op: string, own: string, inputs: string[], attributes: Record<string, Attribute> = {}) => {
    graph.nodes.push(makeNode(op, inputs, [own], attributes, { name: own }));
    return own;
  };
  const linear = (stem: string, from: string, { weight, bias }: Layer, value: string) => {
    const [w, b] = [name(`${stem}.weight`), name(`${stem}.bias`)];
    graph.initializers.set(w, weight);
    graph.initializers.set(b, bias);
    return add('Gemm', value, [from, w, b], { transB: attr.int(1) });
  };
  let from = features;
  if (weights.hidden !== undefined) {
    const stem = `${id}.hidden`;
    from = add('Relu', name(`${stem}.relu`), [linear(stem, from, weights.hidden, name(stem))]);
  }
  const made: Record<string, string> = {};
  for (const answer of answers) {
    const layer = weights.answers.get(answer.name);
    if (layer === undefined) throw fail('INTERNAL', `head ${id} has no weights for "${answer.name}"`);
    const stem = `${id}.${answer.name}`;
    const output = name(stem);
    const flat = answer.dims.length === 1;
    const ends = flat && answer.tail === undefined;
    let value = linear(`${stem}.head`, from, layer, ends ? output : name(`${stem}.logits`));
    if (!flat) {
      const shape = name(`${stem}.shape`);
      graph.initializers.set(shape, Tensor.int64([answer.dims.length + 1], [-1, ...answer.dims]));
      const shaped = answer.tail === undefined ? output : name(`${stem}.shaped`);
      value = add('Reshape', shaped, [value, shape]);
    }
    if (answer.tail === 'Sigmoid') add('Sigmoid', output, [value]);
    else if (answer.tail !== undefined)
      add(answer.tail, output, [value], { axis: attr.int(classAxis(answer)) });
    made[answer.name] = output;
  }
  return made;
}

/** The axis of the classes in an answer's output: the only one behind the samples that is not 1. */
export function classAxis({ dims }: Answer): number {
  const at = dims.findIndex((dim) => dim !== 1);
  return 1 + Math.max(0, at);
}
