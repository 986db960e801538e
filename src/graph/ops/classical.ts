import { intOf, intsOf, tensorOf } from '../attributes.ts';
import type { DType } from '../dtype.ts';
import type { Dim, Node } from '../model.ts';
import {
  type CostPhrase,
  known,
  likeInput,
  type OpSpec,
  perOutput,
  type ShapeRule,
  type Site,
  spec,
} from './op.ts';

/** ai.onnx.ml: what exporters of classical models (linear ones, trees, encoders) write. */

type Given = Omit<Parameters<typeof spec>[0], 'domain' | 'op'>;

const classical = (op: string, given: Given): OpSpec => spec({ ...given, op, domain: 'ai.onnx.ml' });

/** How many entries a list attribute has, of whatever kind. */
function lengthOf(node: Node, ...names: readonly string[]): number | undefined {
  for (const name of names) {
    const list = node.attributes.get(name);
    if (list !== undefined && 'value' in list && Array.isArray(list.value) && list.value.length > 0)
      return list.value.length;
  }
  return undefined;
}

const rows = (site: Site): Dim => (site.shape(0)?.length === 1 ? 1 : (site.shape(0)?.[0] ?? null));

const CLASSES = ['classlabels_strings', 'classlabels_int64s', 'classlabels_ints'] as const;

/** Labels [N], and a score for each class. */
const classifier: ShapeRule = (site) => {
  const label: DType = lengthOf(site.node, 'classlabels_strings') === undefined ? 'int64' : 'string';
  const classes = lengthOf(site.node, ...CLASSES) ?? null;
  return [known(label, [rows(site)]), known('float32', [rows(site), classes])];
};

const LABELS: readonly [name: string, dtype: DType][] = [
  ['values_strings', 'string'],
  ['values_int64s', 'int64'],
  ['values_floats', 'float32'],
];

const encoded: ShapeRule = (site) => {
  const { node } = site;
  // Version 1 maps between strings and their places in one list.
  const early = site.opset < 2 ? (site.dtype(0) === 'string' ? 'int64' : 'string') : undefined;
  const named = LABELS.find(([name]) => lengthOf(node, name) !== undefined)?.[1];
  return [known(early ?? named ?? tensorOf(node, 'values_tensor')?.dtype, site.shape(0))];
};

const extracted: ShapeRule = (site) => {
  const shape = site.shape(0);
  const picked = site.shape(1);
  const count =
    picked === undefined
      ? null
      : picked.reduce<Dim>((a, b) => (typeof a === 'number' && typeof b === 'number' ? a * b : null), 1);
  if (shape === undefined) return [known(site.dtype(0), undefined)];
  return [known(site.dtype(0), shape.length === 1 ? [1, count] : [...shape.slice(0, -1), count])];
};

/** Every tree is walked from its root to a leaf: a comparison a level, if the trees are balanced. */
function walks(nodes: string): CostPhrase {
  return {
    work: 'log2(nodes of a tree) per tree and row',
    rule: ({ node, inputs }) => {
      const sizes = new Map<number, number>();
      for (const tree of intsOf(node, nodes) ?? []) sizes.set(tree, (sizes.get(tree) ?? 0) + 1);
      let levels = 0;
      for (const size of sizes.values()) levels += Math.ceil(Math.log2(size + 1));
      return { macs: 0, other: levels * (inputs[0]?.dims.length === 1 ? 1 : (inputs[0]?.dims[0] ?? 0)) };
    },
  };
}

const linear: CostPhrase = {
  work: 'N*features MACs per score',
  rule: ({ node, inputs }) => {
    const [n, features] = [inputs[0]?.dims[0] ?? 0, inputs[0]?.dims.at(-1) ?? 1];
    const scores = (lengthOf(node, 'coefficients') ?? 0) / features;
    return { macs: n * features * scores, other: n * scores, parameters: features * scores };
  },
};

const same = (op: string, since: readonly number[], to?: DType): OpSpec =>
  classical(op, {
    since,
    inputs: [1, 1],
    says: 'as the input',
    infer: to === undefined ? likeInput : (site) => [known(to, site.shape(0))],
    cost: perOutput(2),
    traits: { sameShape: true },
  });

const targets = (
  op: string,
  since: readonly number[],
  attribute: string,
  cost: CostPhrase,
  to?: DType,
): OpSpec =>
  classical(op, {
    since,
    inputs: [1, 1],
    says: '[N, targets]',
    infer: (site) => [known(to ?? site.dtype(0), [rows(site), intOf(site.node, attribute, 1)])],
    cost,
  });

const classes = (op: string, since: readonly number[], cost: CostPhrase): OpSpec =>
  classical(op, {
    since,
    inputs: [1, 1],
    outputs: [2, 2],
    says: '[N]; [N, classes]',
    infer: classifier,
    cost,
  });

export const CLASSICAL = {
  'ai.onnx.ml:ArrayFeatureExtractor': classical('ArrayFeatureExtractor', {
    since: [1],
    inputs: [2, 2],
    says: 'the last axis replaced by the picked places',
    infer: extracted,
    traits: { moves: true, sameType: true },
  }),
  'ai.onnx.ml:Binarizer': same('Binarizer', [1]),
  'ai.onnx.ml:FeatureVectorizer': classical('FeatureVectorizer', {
    since: [1],
    inputs: [1, Number.POSITIVE_INFINITY],
    says: '[N, sum of inputdimensions]',
    infer: (site) => {
      const sizes = intsOf(site.node, 'inputdimensions');
      return [known('float32', [rows(site), sizes === undefined ? null : sizes.reduce((a, b) => a + b, 0)])];
    },
  }),
  'ai.onnx.ml:Imputer': same('Imputer', [1]),
  'ai.onnx.ml:LabelEncoder': classical('LabelEncoder', {
    since: [1, 2, 4],
    inputs: [1, 1],
    says: 'as the input',
    infer: encoded,
    cost: perOutput(1),
    traits: { elementwise: true, sameShape: true },
  }),
  'ai.onnx.ml:LinearClassifier': classes('LinearClassifier', [1], linear),
  'ai.onnx.ml:LinearRegressor': targets('LinearRegressor', [1], 'targets', linear, 'float32'),
  'ai.onnx.ml:Normalizer': same('Normalizer', [1], 'float32'),
  'ai.onnx.ml:OneHotEncoder': classical('OneHotEncoder', {
    since: [1],
    inputs: [1, 1],
    says: 'the input with an axis of categories at the end',
    infer: (site) => {
      const shape = site.shape(0);
      return [
        known('float32', shape && [...shape, lengthOf(site.node, 'cats_int64s', 'cats_strings') ?? null]),
      ];
    },
  }),
  'ai.onnx.ml:Scaler': same('Scaler', [1], 'float32'),
  'ai.onnx.ml:TreeEnsemble': targets('TreeEnsemble', [5], 'n_targets', walks('tree_roots')),
  'ai.onnx.ml:TreeEnsembleClassifier': classes('TreeEnsembleClassifier', [1, 3, 5], walks('nodes_treeids')),
  'ai.onnx.ml:TreeEnsembleRegressor': targets(
    'TreeEnsembleRegressor',
    [1, 3, 5],
    'n_targets',
    walks('nodes_treeids'),
    'float32',
  ),
} as const satisfies Record<string, OpSpec>;
