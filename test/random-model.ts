import fc from 'fast-check';
import { Random } from '../src/base/index.ts';
import { ATTRIBUTE_TYPE_NUMBERS } from '../src/graph/attributes.ts';
import {
  type Attribute,
  byteLengthOf,
  DTYPES,
  type DType,
  type FunctionDef,
  type Graph,
  type Model,
  makeModel,
  type Node,
  type Shape,
  type SparseTensor,
  sizeOf,
  Tensor,
  type ValueInfo,
  type ValueType,
} from '../src/graph/index.ts';

/*
 * Random models that hold everything the format can say, sense or no sense: every kind of attribute and type, every
 * dtype, nested graphs, functions, absent inputs, names with quotes, blanks and no identifiers at all.
 */

const DTYPE_NAMES = Object.keys(DTYPES) as DType[];
const NUMERIC = DTYPE_NAMES.filter((dtype): dtype is Exclude<DType, 'string'> => dtype !== 'string');
const WILD = [
  'float',
  'inf',
  'nan',
  'seq',
  'raw',
  'bytes',
  'a b',
  '/layer/x',
  'q"uote',
  'back\\slash',
  'new\nline',
  '#',
  '…',
  '\ufeffx',
  '1st',
];

const text = fc.oneof(fc.string({ maxLength: 6 }), fc.constantFrom(...WILD));
const name = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('x', 'y', 'z1', '_w') },
  text.filter((s) => s !== ''),
);
const dtype = fc.constantFrom(...DTYPE_NAMES);
const float = fc
  .oneof(fc.float(), fc.constantFrom(0, -0, 1, 0.1, 1e-45, 3.4e38, Number.NaN, Number.POSITIVE_INFINITY))
  .map(Math.fround);
const int = fc
  .oneof(fc.integer(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }))
  .map((value) => (Number.isSafeInteger(Number(value)) ? Number(value) : value));
const bytes = fc.uint8Array({ minLength: 1, maxLength: 4 }).map((array) => Uint8Array.of(0xff, ...array));
const string = fc.oneof(text, bytes);
const few = <T>(arbitrary: fc.Arbitrary<T>) => fc.array(arbitrary, { maxLength: 3 });
const names = few(name).map((list) => [...new Set(list)]);
const dims = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 });
const shape: fc.Arbitrary<Shape> = fc.option(
  few(fc.oneof(fc.integer({ min: -1, max: 1e6 }), name, fc.constant(null))),
  { nil: undefined },
);

export const arbitraryTensor: fc.Arbitrary<Tensor> = fc
  .tuple(dtype, dims, fc.nat())
  .map(([kind, shape, seed]) => {
    const random = new Random(seed);
    const size = sizeOf(shape);
    if (kind === 'string')
      return Tensor.ofStrings(
        shape,
        Array.from({ length: size }, () => WILD[random.below(WILD.length)]!),
      );
    // Many bytes of ones and of zeros: they make infinities, subnormals and NaN with payloads.
    const byte = () => [random.below(256), 0x7f, 0xff, 0x80, 0][random.below(5)]!;
    return Tensor.ofBytes(kind, shape, Uint8Array.from({ length: byteLengthOf(kind, size) }, byte));
  });

const sparse: fc.Arbitrary<SparseTensor> = fc.record({
  dims: dims,
  name: fc.oneof(name, fc.constant('')),
  values: fc
    .tuple(fc.constantFrom(...NUMERIC), fc.integer({ min: 0, max: 3 }))
    .map(([kind, count]) => Tensor.ofBytes(kind, [count], new Uint8Array(byteLengthOf(kind, count)).fill(1))),
  indices: few(fc.integer({ min: 0, max: 9 })).map((list) => Tensor.int64([list.length], list)),
});

const { type } = fc.letrec<{ type: ValueType }>((tie) => ({
  type: fc.oneof(
    { depthSize: 'small' },
    fc.record({ kind: fc.constant('tensor' as const), dtype, shape }),
    fc.record({ kind: fc.constant('sparse' as const), dtype, shape }),
    fc.record({
      kind: fc.constant('opaque' as const),
      domain: fc.oneof(fc.constantFrom('', 'a.b'), name),
      name,
    }),
    fc.record({
      kind: fc.constantFrom('sequence' as const, 'optional' as const),
      element: fc.option(tie('type'), { nil: undefined }),
    }),
    fc.record({
      kind: fc.constant('map' as const),
      key: dtype,
      value: fc.option(tie('type'), { nil: undefined }),
    }),
  ),
}));

const info: fc.Arbitrary<ValueInfo> = fc.record({
  name,
  type: fc.oneof({ weight: 5, arbitrary: type }, fc.constant<ValueType>({ kind: 'unknown' })),
});

const maps = <T>(value: fc.Arbitrary<T>) =>
  fc.array(fc.tuple(name, value), { maxLength: 3 }).map((list) => new Map(list));

const { graph, node, attribute } = fc.letrec<{ graph: Graph; node: Node; attribute: Attribute }>((tie) => ({
  attribute: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.record({ type: fc.constant('int' as const), value: int }),
    fc.record({ type: fc.constant('float' as const), value: float }),
    fc.record({ type: fc.constant('string' as const), value: string }),
    fc.record({ type: fc.constant('tensor' as const), value: arbitraryTensor }),
    fc.record({ type: fc.constant('sparse_tensor' as const), value: sparse }),
    fc.record({ type: fc.constant('type_proto' as const), value: type }),
    fc.record({ type: fc.constant('ints' as const), value: few(int) }),
    fc.record({ type: fc.constant('floats' as const), value: few(float) }),
    fc.record({ type: fc.constant('strings' as const), value: few(string) }),
    fc.record({ type: fc.constant('tensors' as const), value: few(arbitraryTensor) }),
    fc.record({ type: fc.constant('sparse_tensors' as const), value: few(sparse) }),
    fc.record({ type: fc.constant('type_protos' as const), value: few(type) }),
    fc.record({
      type: fc.constant('reference' as const),
      value: name,
      refType: fc.constantFrom(0, ...Object.values(ATTRIBUTE_TYPE_NUMBERS)),
    }),
    fc.record({ type: fc.constant('graph' as const), value: tie('graph') }),
    fc.record({ type: fc.constant('graphs' as const), value: fc.array(tie('graph'), { maxLength: 2 }) }),
  ),
  node: fc.record({
    name: fc.oneof(name, fc.constant('')),
    domain: fc.oneof(fc.constantFrom('', 'com.example', 'ai.onnx.ml'), name),
    op: name,
    inputs: few(fc.oneof(name, fc.constant(''))),
    outputs: few(fc.oneof(name, fc.constant(''))),
    attributes: maps(tie('attribute')),
    overload: fc.option(name, { nil: undefined }),
  }),
  graph: fc.record({
    name: fc.oneof(name, fc.constant('')),
    inputs: few(info),
    outputs: few(info),
    nodes: few(tie('node')),
    initializers: maps(arbitraryTensor),
    sparseInitializers: few(sparse),
    values: few(info).map((list) => new Map(list.map((one) => [one.name, one]))),
  }),
}));

const opsets = fc
  .array(fc.tuple(fc.constantFrom('', 'local', 'a-b'), fc.integer({ min: 1, max: 30 })), { maxLength: 3 })
  .map((list) => new Map(list));

const functionDef: fc.Arbitrary<FunctionDef> = fc.record({
  name,
  domain: text,
  overload: fc.option(name, { nil: undefined }),
  inputs: names,
  outputs: names,
  attributes: names,
  defaults: maps(attribute),
  nodes: few(node),
  opsets,
  values: few(info).map((list) => new Map(list.map((one) => [one.name, one]))),
  doc: fc.option(
    text.filter((s) => s !== ''),
    { nil: undefined },
  ),
});

export const arbitraryModel: fc.Arbitrary<Model> = fc
  .record({
    graph,
    irVersion: fc.integer({ min: 4, max: 12 }),
    opsets,
    functions: fc.array(functionDef, { maxLength: 2 }),
    producer: fc.record({ name: text, version: text }),
    domain: text,
    version: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
    doc: fc.option(
      text.filter((s) => s !== ''),
      { nil: undefined },
    ),
    metadata: fc.array(fc.tuple(text, text), { maxLength: 3 }).map((list) => new Map(list)),
  })
  .map(({ graph: body, ...rest }) => makeModel(body, 21, rest));
