import { fail } from '../../base/index.ts';
import { attr } from '../../graph/index.ts';
import { architecture, type CommonOptions } from './architecture.ts';
import type { Trunk } from './heads.ts';
import { filled, xavier } from './init.ts';
import { featuresOf } from './inputs.ts';
import { type Features, joined, linear, reluLayers } from './linear.ts';
import type { Net } from './net.ts';
import { scaledChannels, scaledCount } from './size.ts';
import type { Task, TaskInput } from './task.ts';

export interface RecommenderOptions extends CommonOptions {
  /** 'dlrm' looks at every pair of features; 'two-tower' can compute one side beforehand and search it. */
  readonly form: 'dlrm' | 'two-tower';
  /** Numbers that stand for an id, and for all dense features together. */
  readonly embedding: number;
  /** Units per hidden layer. */
  readonly units: number;
  /** Hidden layers at the top, or of each tower. */
  readonly layers: number;
  /** Two-tower: the inputs of the item's side. Default: those whose names begin with "item". */
  readonly items: readonly string[];
}

/**
 * Scores a pair of somebody and something, by ids and numbers about both. 'dlrm' is Naumov et al. 2019: dense features
 * through an MLP, the dot products of all pairs of vectors, an MLP on top; 'two-tower' the dot product of two MLPs
 * (Covington et al. 2016, Yi et al. 2019). Answers with probabilities unless told otherwise.
 */
export const recommender = architecture<RecommenderOptions>({
  name: 'recommender',
  summary: 'embeddings of ids with dense features (DLRM or two towers): the probability of a click',
  defaults: {
    width: 1,
    depth: 1,
    probabilities: true,
    form: 'dlrm',
    embedding: 16,
    units: 64,
    layers: 2,
    items: [],
  },
  reads({ inputs }) {
    const ids = inputs.filter(isId).length;
    if (ids === 0) return 'it reads ids (int64 or int32 with a vocabulary), the task has none';
    return inputs.length > 1 || 'it pairs features, and the task has one input alone';
  },
  trunk(net, task, options) {
    if (options.form === 'dlrm') return dlrm(net, task, options);
    if (options.form === 'two-tower') return twoTower(net, task, options);
    throw fail('USAGE_BAD_OPTION', `recommender: form is "${options.form}", not dlrm or two-tower`);
  },
});

const isId = ({ dtype }: TaskInput) => dtype !== 'float32';

function dlrm(net: Net, { inputs }: Task, options: RecommenderOptions): Trunk {
  const embedding = scaledChannels(options.embedding, options.width);
  const units = scaledChannels(options.units, options.width);
  const vectors = inputs.filter(isId).map((input) => featuresOf(net, input, embedding));
  const numbers = inputs.filter((input) => !isId(input)).map((input) => featuresOf(net, input, embedding));
  const dense =
    numbers.length === 0
      ? []
      : [reluLayers(net, 'bottom', joined(net, 'dense', numbers), [units, embedding])];
  const pairs = interactions(net, [...dense, ...vectors], embedding);
  const sizes = new Array<number>(scaledCount(options.layers, options.depth)).fill(units);
  return reluLayers(net, 'top', joined(net, 'interact.joined', [...dense, pairs]), sizes);
}

/** The dot product of each pair of the vectors: [N, n * (n - 1) / 2]. */
function interactions(net: Net, vectors: readonly Features[], size: number): Features {
  const n = vectors.length;
  const rows = net.op(
    'Concat',
    'interact.rows',
    vectors.map(({ value }) => value),
    { axis: attr.int(1) },
  );
  const shape = net.ints('interact.rows.shape', [-1, n, size]);
  const matrix = net.op('Reshape', 'interact.matrix', [rows, shape]);
  const turned = net.op('Transpose', 'interact.turned', [matrix], { perm: attr.ints([0, 2, 1]) });
  const products = net.op('MatMul', 'interact.products', [matrix, turned]);
  const flat = net.op('Flatten', 'interact.flat', [products], { axis: attr.int(1) });
  // The products stand twice, and those of a vector with itself say nothing of pairs: the lower triangle is left.
  const below = Array.from({ length: n }, (_, i) => Array.from({ length: i }, (_, j) => i * n + j)).flat();
  const value = net.op('Gather', 'interact', [flat, net.ints('interact.pairs', below)], {
    axis: attr.int(1),
  });
  return { value, size: below.length };
}

function twoTower(net: Net, task: Task, options: RecommenderOptions): Trunk {
  const embedding = scaledChannels(options.embedding, options.width);
  const units = scaledChannels(options.units, options.width);
  const items = itemsOf(task, options.items);
  const tower = (name: string, inputs: readonly TaskInput[]) => {
    const parts = inputs.map((input) => featuresOf(net, input, embedding));
    const sizes = new Array<number>(scaledCount(options.layers, options.depth)).fill(units);
    const hidden = reluLayers(net, `${name}.fc`, joined(net, `${name}.features`, parts), sizes);
    return linear(net, `${name}.vector`, hidden, embedding, xavier(units, embedding)).value;
  };
  const user = tower(
    'user',
    task.inputs.filter((input) => !items.has(input.name)),
  );
  const item = tower(
    'item',
    task.inputs.filter((input) => items.has(input.name)),
  );
  const product = net.op('Mul', 'towers.product', [user, item]);
  const axes = net.ints('towers.axes', [1]);
  const value = net.op('ReduceSum', 'towers', [product, axes], { keepdims: attr.int(1) });
  // The head scales the one number: it begins as the division by the root of the size that attention has.
  return { value, size: 1, head: filled(1 / Math.sqrt(embedding)) };
}

/** The names of the item's side; both sides have some. */
function itemsOf({ inputs }: Task, given: readonly string[]): ReadonlySet<string> {
  const names = inputs.map(({ name }) => name);
  const unknown = given.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw fail(
      'USAGE_BAD_OPTION',
      `recommender: items names "${unknown}"; the inputs are ${names.join(', ')}`,
    );
  }
  const items = given.length > 0 ? given : names.filter((name) => name.startsWith('item'));
  if (items.length > 0 && names.some((name) => !items.includes(name))) return new Set(items);
  const side = items.length === 0 ? 'item' : 'other';
  throw fail('USAGE_BAD_OPTION', `recommender: the ${side} tower has no input of ${names.join(', ')}`, {
    hint: 'Name the inputs of the item\'s tower by the option "items"; all others go into the other one.',
  });
}
