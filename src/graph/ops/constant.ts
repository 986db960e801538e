import { intOf, intsOf, tensorOf } from '../attributes.ts';
import { valueOfConstant } from '../constant.ts';
import { type DType, dtypeOfNumber, isFloat } from '../dtype.ts';
import type { Node } from '../model.ts';
import type { Tensor } from '../tensor.ts';
import { productOf } from './dims.ts';
import { followed } from './elements.ts';
import { type Element, type Known, known, MOST_ELEMENTS, type OpSpec, type ShapeRule, spec } from './op.ts';

const FOLLOWED = new Set<DType>([
  'int64',
  'int32',
  'bool',
  'float32',
  'uint8',
  'int8',
  'uint32',
  'uint64',
  'int16',
  'uint16',
  'float64',
]);

/** What is known of a tensor that is there: all, if it is small. */
export function knownOf(tensor: Tensor): Known {
  // Reading an external tensor touches a file: only lists that may become shapes are worth it.
  const most = tensor.lazy && isFloat(tensor.dtype) ? 16 : MOST_ELEMENTS;
  const small = FOLLOWED.has(tensor.dtype) && tensor.size <= most;
  return known(tensor.dtype, tensor.dims, small ? tensor.numbers() : undefined);
}

/** The dtype that an int attribute names. */
export function dtypeAttribute(node: Node, name: string, absent?: DType): DType | undefined {
  const number = intOf(node, name);
  return number === undefined ? absent : dtypeOfNumber(number);
}

const constant: ShapeRule = ({ node }) => {
  const value = valueOfConstant(node);
  if (value !== undefined) return [knownOf(value)];
  const sparse = node.attributes.get('sparse_value');
  return sparse?.type === 'sparse_tensor' ? [known(sparse.value.values.dtype, sparse.value.dims)] : [];
};

const constantOfShape: ShapeRule = (site) => {
  const value = tensorOf(site.node, 'value');
  const fill: Element = value === undefined ? 0 : (knownOf(value).elements?.[0] ?? null);
  const target = site.at(0).elements;
  const rank = site.shape(0)?.[0];
  const dims = target ?? (typeof rank === 'number' ? new Array<null>(rank).fill(null) : undefined);
  const size = followed(dims);
  return [
    known(
      value?.dtype ?? 'float32',
      dims,
      size === undefined ? undefined : new Array<Element>(size).fill(fill),
    ),
  ];
};

const shapeOf: ShapeRule = (site) => {
  const shape = site.shape(0);
  if (shape === undefined) return [known('int64', [null])];
  const start = intOf(site.node, 'start', 0);
  const end = intOf(site.node, 'end', shape.length);
  const clamp = (at: number) => Math.min(shape.length, Math.max(0, at < 0 ? at + shape.length : at));
  const part = shape.slice(clamp(start), Math.max(clamp(start), clamp(end)));
  return [known('int64', [part.length], part)];
};

const range: ShapeRule = (site) => {
  const [start, limit, delta] = [site.scalar(0), site.scalar(1), site.scalar(2)];
  const dtype = site.dtype(0);
  if (start === undefined || limit === undefined || delta === undefined) {
    const symbol = start === 0 && delta === 1 ? (site.at(1).elements?.[0] ?? null) : null;
    return [known(dtype, [symbol])];
  }
  const length = Math.max(0, Math.ceil((limit - start) / delta));
  const elements = length <= MOST_ELEMENTS ? Array.from({ length }, (_, i) => start + i * delta) : undefined;
  return [known(dtype, [length], elements)];
};

const cast: ShapeRule = (site) => {
  const to = dtypeAttribute(site.node, 'to');
  const { elements, shape } = site.at(0);
  return [known(to, shape, elements === undefined || to === undefined ? undefined : converted(elements, to))];
};

const INTEGERS = new Set<DType>(['int64', 'int32', 'int16', 'int8', 'uint64', 'uint32', 'uint16', 'uint8']);

/** Elements after a cast. Values that would wrap around are given up. */
function converted(elements: readonly Element[], to: DType): Element[] | undefined {
  const fits = (x: number) => Math.abs(x) < 2 ** 31 || to === 'int64' || to === 'float64' || to === 'float32';
  if (to === 'bool') return elements.map((x) => (typeof x === 'number' ? Number(x !== 0) : null));
  if (INTEGERS.has(to)) {
    const unsigned = to.startsWith('u') || to === 'int8' || to === 'int16';
    if (unsigned)
      return elements.map((x) => (typeof x === 'number' && x >= 0 && x < 128 ? Math.trunc(x) : null));
    return elements.map((x) => (typeof x === 'number' ? (fits(x) ? Math.trunc(x) : null) : x));
  }
  return to === 'float32' || to === 'float64' ? [...elements] : undefined;
}

const random = (op: string, since: readonly number[], like: boolean): OpSpec =>
  spec({
    op,
    since,
    inputs: like ? [1, 1] : [0, 0],
    says: like ? 'as the input' : 'the attribute shape',
    infer: (site) =>
      like
        ? [known(dtypeAttribute(site.node, 'dtype', site.dtype(0)), site.shape(0))]
        : [known(dtypeAttribute(site.node, 'dtype', 'float32'), intsOf(site.node, 'shape'))],
    traits: { random: true },
  });

/** Values made from nothing, from shapes, or by a change of dtype. */
export const CONSTANT = {
  Constant: spec({
    op: 'Constant',
    since: [1, 9, 11, 12, 13, 19, 21, 23, 24, 25],
    inputs: [0, 0],
    says: 'the value',
    infer: constant,
  }),
  ConstantOfShape: spec({
    op: 'ConstantOfShape',
    since: [9, 20, 21, 23, 24, 25],
    inputs: [1, 1],
    says: 'the target',
    infer: constantOfShape,
  }),
  Shape: spec({
    op: 'Shape',
    since: [1, 13, 15, 19, 21, 23, 24, 25],
    inputs: [1, 1],
    says: '[rank]',
    infer: shapeOf,
  }),
  Size: spec({
    op: 'Size',
    since: [1, 13, 19, 21, 23, 24, 25],
    inputs: [1, 1],
    says: 'scalar',
    infer: (site) => {
      const shape = site.shape(0);
      return [known('int64', [], shape === undefined ? undefined : [productOf(shape)])];
    },
  }),
  Range: spec({
    op: 'Range',
    since: [11, 27],
    inputs: [3, 3],
    says: '[(limit - start) / delta]',
    infer: range,
  }),
  Cast: spec({
    op: 'Cast',
    since: [1, 6, 9, 13, 19, 21, 23, 24, 25],
    inputs: [1, 1],
    says: 'as the input',
    infer: cast,
    traits: { elementwise: true, sameShape: true },
  }),
  CastLike: spec({
    op: 'CastLike',
    since: [15, 19, 21, 23, 24, 25],
    inputs: [2, 2],
    says: 'as the input',
    infer: (site) => [known(site.dtype(1), site.shape(0))],
    traits: { elementwise: true, sameShape: true },
  }),
  BitCast: spec({
    op: 'BitCast',
    since: [26],
    inputs: [1, 1],
    says: 'as the input',
    infer: (site) => [known(dtypeAttribute(site.node, 'to'), site.shape(0))],
    traits: { elementwise: true, sameShape: true },
  }),
  EyeLike: spec({
    op: 'EyeLike',
    since: [9, 22],
    inputs: [1, 1],
    says: 'as the input',
    infer: (site) => [known(dtypeAttribute(site.node, 'dtype', site.dtype(0)), site.shape(0))],
    traits: { sameShape: true },
  }),
  RandomNormal: random('RandomNormal', [1, 22], false),
  RandomNormalLike: random('RandomNormalLike', [1, 22], true),
  RandomUniform: random('RandomUniform', [1, 22], false),
  RandomUniformLike: random('RandomUniformLike', [1, 22], true),
  Bernoulli: random('Bernoulli', [15, 22], true),
  Multinomial: spec({
    op: 'Multinomial',
    since: [7, 22],
    inputs: [1, 1],
    says: '[batch, sample_size]',
    infer: (site) => [
      known(dtypeAttribute(site.node, 'dtype', 'int32'), [
        site.shape(0)?.[0] ?? null,
        intOf(site.node, 'sample_size', 1),
      ]),
    ],
    traits: { random: true },
  }),
} as const satisfies Record<string, OpSpec>;
