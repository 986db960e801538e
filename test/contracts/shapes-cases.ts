import { type Attribute, attr } from '../../src/graph/index.ts';

/** One node to run: operands as "dtype[shape]" ('' is absent), of which the first is fed and the others are weights, of ones or ("0*...") zeros. */
export interface NodeCase {
  readonly op: string;
  readonly domain?: string;
  readonly inputs: readonly string[];
  readonly outputs?: number;
  readonly attributes?: Record<string, Attribute>;
  readonly opset?: number;
}

const ms = (
  op: string,
  inputs: readonly string[],
  attributes: Record<string, Attribute> = {},
  outputs = 1,
): NodeCase => ({
  op,
  domain: 'com.microsoft',
  inputs,
  attributes,
  outputs,
});

const f = 'float32[]';
const u = 'uint8[]';
const window = { kernel_shape: attr.ints([3, 3]), strides: attr.ints([2, 2]), pads: attr.ints([1, 0, 1, 1]) };

/** Operators of com.microsoft: no official case knows them, ONNX Runtime itself is the judge. */
export const CONTRIB_CASES: readonly NodeCase[] = [
  ms('Gelu', ['float32[2,3]']),
  ms('FastGelu', ['float32[2,3]', 'float32[3]']),
  ms('QuickGelu', ['float32[2,3]']),
  ms('BiasGelu', ['float32[2,3]', 'float32[3]']),
  ms('FusedConv', ['float32[1,3,9,8]', 'float32[4,3,3,3]', 'float32[4]'], {
    ...window,
    activation: attr.string('Relu'),
  }),
  ms('FusedGemm', ['float32[5,2]', 'float32[5,4]', 'float32[4]'], {
    transA: attr.int(1),
    activation: attr.string('Relu'),
  }),
  ms('FusedMatMul', ['float32[2,5,3]', 'float32[2,5,4]'], { transA: attr.int(1) }),
  ms('FusedMatMul', ['float32[2,7,3,5]', 'float32[2,7,4,5]'], { transB: attr.int(1), alpha: attr.float(2) }),
  ms('FusedMatMul', ['float32[3,2,5]', 'float32[2,5,4]'], { transBatchA: attr.int(1) }),
  ms('FusedMatMul', ['float32[7,2,3,5]', 'float32[2,3,7,4]'], {
    transBatchA: attr.int(1),
    transA: attr.int(1),
  }),
  ms('MatMulNBits', ['float32[2,3,32]', 'uint8[8,1,16]', 'float32[8]'], {
    K: attr.int(32),
    N: attr.int(8),
    bits: attr.int(4),
    block_size: attr.int(32),
  }),
  ms('GatherBlockQuantized', ['uint8[6,16]', 'int64[2,2]', 'float32[6,1]'], {
    block_size: attr.int(32),
    bits: attr.int(4),
    gather_axis: attr.int(0),
    quantize_axis: attr.int(1),
  }),
  ms('SkipLayerNormalization', [
    'float32[2,3,4]',
    'float32[2,3,4]',
    'float32[4]',
    'float32[4]',
    'float32[4]',
  ]),
  ms('SkipSimplifiedLayerNormalization', ['float32[2,3,4]', 'float32[2,3,4]', 'float32[4]']),
  ms(
    'EmbedLayerNormalization',
    [
      'int32[2,3]',
      'int32[2,3]',
      'float32[9,4]',
      'float32[9,4]',
      'float32[9,4]',
      'float32[4]',
      'float32[4]',
      'int32[2,3]',
    ],
    {},
    2,
  ),
  { op: 'SimplifiedLayerNormalization', inputs: ['float32[2,3,4]', 'float32[4]'] },
  ms('RotaryEmbedding', ['float32[1,3,8]', 'int64[1]', 'float32[9,2]', 'float32[9,2]'], {
    num_heads: attr.int(2),
  }),
  ms('Attention', ['float32[2,3,8]', 'float32[8,24]', 'float32[24]'], { num_heads: attr.int(2) }),
  ms('QAttention', ['uint8[2,3,8]', 'uint8[8,24]', 'float32[24]', f, f, '', u, u], {
    num_heads: attr.int(2),
  }),
  ms('MultiHeadAttention', ['float32[2,3,8]', 'float32[2,5,8]', 'float32[2,5,8]'], {
    num_heads: attr.int(2),
  }),
  ms(
    'GroupQueryAttention',
    ['float32[2,1,16]', 'float32[2,1,8]', 'float32[2,1,8]', '', '', '0*int32[2]', 'int32[]'],
    { num_heads: attr.int(2), kv_num_heads: attr.int(1) },
    3,
  ),
  ms('QuantizeLinear', ['float32[2,3]', f, u]),
  ms('DequantizeLinear', ['uint8[2,3]', f, u]),
  ms('QLinearConv', ['uint8[1,9,8,3]', f, u, 'uint8[4,3,3,3]', f, u, f, u], {
    ...window,
    channels_last: attr.int(1),
  }),
  ms('QGemm', ['uint8[5,3]', f, u, 'uint8[4,3]', f, u, 'int32[4]', f, u], { transB: attr.int(1) }),
  ms('QGemm', ['uint8[5,3]', f, u, 'int8[3,4]', f, 'int8[]']),
  ms('DynamicQuantizeMatMul', ['float32[2,5,3]', 'uint8[3,4]', f, u, 'float32[4]']),
  ms('MatMulIntegerToFloat', ['uint8[2,5,3]', 'uint8[3,4]', f, f, u, u, 'float32[4]']),
  ms('QLinearAdd', ['uint8[2,3]', f, u, 'uint8[3]', f, u, f, u]),
  ms('QLinearMul', ['uint8[2,1]', f, u, 'uint8[3]', f, u, f, u]),
  ms('QLinearSigmoid', ['uint8[2,3]', f, u, f, u]),
  ms('QLinearLeakyRelu', ['int8[2,3]', f, 'int8[]', f, 'int8[]'], { alpha: attr.float(0.1) }),
  ms('QLinearSoftmax', ['uint8[2,3]', f, u, f, u], { opset: attr.int(13) }),
  ms('QLinearConcat', [f, u, 'uint8[2,3]', f, u, 'uint8[2,4]', f, u], { axis: attr.int(1) }),
  ms('QLinearAveragePool', ['uint8[1,3,9,8]', f, u, f, u], window),
  ms('QLinearAveragePool', ['uint8[1,9,8,3]', f, u, f, u], { ...window, channels_last: attr.int(1) }),
  ms('QLinearGlobalAveragePool', ['uint8[1,3,9,8]', f, u, f, u]),
  ms('QLinearGlobalAveragePool', ['uint8[1,9,8,3]', f, u, f, u], { channels_last: attr.int(1) }),
  ms('QLinearWhere', ['bool[2,1]', 'uint8[3]', f, u, 'uint8[2,3]', f, u, f, u]),
  ms('NhwcMaxPool', ['uint8[1,9,8,3]'], window),
  ms(
    'DynamicQuantizeLSTM',
    [
      'float32[5,2,3]',
      'uint8[1,3,16]',
      'uint8[1,4,16]',
      'float32[1,32]',
      '',
      '',
      '',
      '',
      'float32[1]',
      'uint8[1]',
      'float32[1]',
      'uint8[1]',
    ],
    { hidden_size: attr.int(4) },
    3,
  ),
];

const ml = (
  op: string,
  inputs: readonly string[],
  attributes: Record<string, Attribute>,
  outputs = 1,
): NodeCase => ({
  op,
  domain: 'ai.onnx.ml',
  inputs,
  attributes,
  outputs,
});

const strings = (...value: string[]): Attribute => ({ type: 'strings', value });

/** Classical models. */
export const CLASSICAL_CASES: readonly NodeCase[] = [
  ml('Scaler', ['float32[5,3]'], { offset: attr.floats([0]), scale: attr.floats([2]) }),
  ml('Normalizer', ['float32[5,3]'], { norm: attr.string('L2') }),
  ml('Imputer', ['float32[5,3]'], {
    imputed_value_floats: attr.floats([0]),
    replaced_value_float: attr.float(1),
  }),
  ml('Binarizer', ['float32[5,3]'], { threshold: attr.float(0.5) }),
  ml('FeatureVectorizer', ['float32[5,3]', 'float32[5,2]'], { inputdimensions: attr.ints([3, 2]) }),
  ml('OneHotEncoder', ['int64[5]'], { cats_int64s: attr.ints([1, 2, 3]) }),
  ml('ArrayFeatureExtractor', ['float32[5,3]', 'int64[2]'], {}),
  ml('LabelEncoder', ['int64[5]'], { keys_int64s: attr.ints([1]), values_floats: attr.floats([3]) }),
  ml('LinearRegressor', ['float32[5,3]'], {
    coefficients: attr.floats([1, 2, 3, 4, 5, 6]),
    targets: attr.int(2),
  }),
  ml(
    'LinearClassifier',
    ['float32[5,3]'],
    {
      coefficients: attr.floats([1, 2, 3, 4, 5, 6]),
      intercepts: attr.floats([0, 0]),
      classlabels_ints: attr.ints([0, 1]),
    },
    2,
  ),
  ...['Regressor', 'Classifier'].map((kind) => {
    const [prefix, leaf] =
      kind === 'Regressor' ? ['target', {}] : ['class', { classlabels_int64s: attr.ints([7, 8, 9]) }];
    return ml(
      `TreeEnsemble${kind}`,
      ['float32[5,3]'],
      {
        ...(kind === 'Regressor' ? { n_targets: attr.int(1) } : leaf),
        nodes_treeids: attr.ints([0, 0, 0]),
        nodes_nodeids: attr.ints([0, 1, 2]),
        nodes_featureids: attr.ints([1, 0, 0]),
        nodes_values: attr.floats([0.5, 0, 0]),
        nodes_modes: strings('BRANCH_LEQ', 'LEAF', 'LEAF'),
        nodes_truenodeids: attr.ints([1, 0, 0]),
        nodes_falsenodeids: attr.ints([2, 0, 0]),
        [`${prefix}_treeids`]: attr.ints([0, 0]),
        [`${prefix}_nodeids`]: attr.ints([1, 2]),
        [`${prefix}_ids`]: attr.ints([0, 0]),
        [`${prefix}_weights`]: attr.floats([1, 2]),
      },
      kind === 'Regressor' ? 1 : 2,
    );
  }),
];

/** What the official cases leave out: rounding at the edges of windows, old opsets, odd axes. */
export const EDGE_CASES: readonly NodeCase[] = [
  { op: 'MaxPool', inputs: ['float32[1,2,7,5]'], attributes: { ...window, ceil_mode: attr.int(1) } },
  {
    op: 'MaxPool',
    inputs: ['float32[1,1,5]'],
    attributes: {
      kernel_shape: attr.ints([2]),
      strides: attr.ints([3]),
      pads: attr.ints([0, 1]),
      ceil_mode: attr.int(1),
    },
  },
  {
    op: 'AveragePool',
    inputs: ['float32[1,1,6]'],
    attributes: {
      kernel_shape: attr.ints([1]),
      strides: attr.ints([4]),
      pads: attr.ints([0, 0]),
      ceil_mode: attr.int(1),
    },
  },
  {
    op: 'MaxPool',
    inputs: ['float32[1,1,7,8]'],
    attributes: {
      kernel_shape: attr.ints([3, 2]),
      strides: attr.ints([2, 3]),
      auto_pad: attr.string('SAME_LOWER'),
    },
  },
  {
    op: 'Conv',
    inputs: ['float32[1,4,9,9]', 'float32[6,2,3,3]'],
    attributes: { group: attr.int(2), dilations: attr.ints([2, 1]), strides: attr.ints([1, 2]) },
  },
  {
    op: 'ConvTranspose',
    inputs: ['float32[1,4,3,3]', 'float32[4,3,3,3]'],
    attributes: {
      group: attr.int(2),
      strides: attr.ints([2, 3]),
      output_padding: attr.ints([1, 0]),
      pads: attr.ints([1, 0, 0, 2]),
    },
  },
  {
    op: 'ConvTranspose',
    inputs: ['float32[1,1,3,3]', 'float32[1,2,3,3]'],
    attributes: { strides: attr.ints([2, 2]), auto_pad: attr.string('SAME_UPPER') },
  },
  { op: 'Squeeze', inputs: ['float32[1,3,1]'], attributes: { axes: attr.ints([0, -1]) }, opset: 11 },
  {
    op: 'Slice',
    inputs: ['float32[7,5]'],
    attributes: { starts: attr.ints([-3, 1]), ends: attr.ints([1000, -1]), axes: attr.ints([0, 1]) },
    opset: 9,
  },
  {
    op: 'ReduceMean',
    inputs: ['float32[2,3,4]'],
    attributes: { axes: attr.ints([-1, 0]), keepdims: attr.int(0) },
    opset: 13,
  },
  {
    op: 'Upsample',
    inputs: ['float32[1,2,3,4]'],
    attributes: { scales: attr.floats([1, 1, 2.5, 1.3]) },
    opset: 7,
  },
  { op: 'Pad', inputs: ['float32[2,3]'], attributes: { pads: attr.ints([0, 1, 2, 0]) }, opset: 10 },
  { op: 'Split', inputs: ['float32[7,2]'], attributes: { split: attr.ints([3, 4]) }, outputs: 2, opset: 11 },
  { op: 'Split', inputs: ['float32[7,2]'], attributes: { num_outputs: attr.int(3) }, outputs: 3, opset: 18 },
  {
    op: 'Gemm',
    inputs: ['float32[3,5]', 'float32[4,3]', 'float32[1,4]'],
    attributes: { transA: attr.int(1), transB: attr.int(1) },
  },
  {
    op: 'TopK',
    inputs: ['float32[4,5]'],
    attributes: { k: attr.int(2), axis: attr.int(0) },
    outputs: 2,
    opset: 9,
  },
  { op: 'Flatten', inputs: ['float32[2,3,4]'], attributes: { axis: attr.int(3) } },
  { op: 'MatMul', inputs: ['float32[3]', 'float32[2,3,4]'] },
  {
    op: 'Einsum',
    inputs: ['float32[2,3,4]', 'float32[4,5]'],
    attributes: { equation: attr.string('b...i,ij->bj...') },
  },
  { op: 'Gather', inputs: ['float32[2,3,4]', 'int64[2,1]'], attributes: { axis: attr.int(-2) } },
  {
    op: 'LSTM',
    inputs: ['float32[5,2,3]', 'float32[2,16,3]', 'float32[2,16,4]'],
    attributes: { hidden_size: attr.int(4), direction: attr.string('bidirectional') },
    outputs: 3,
  },
  {
    op: 'GRU',
    inputs: ['float32[5,2,3]', 'float32[1,12,3]', 'float32[1,12,4]'],
    attributes: { hidden_size: attr.int(4) },
    outputs: 2,
  },
  {
    op: 'LayerNormalization',
    inputs: ['float32[2,3,4]', 'float32[3,4]'],
    attributes: { axis: attr.int(1) },
    outputs: 3,
  },
  { op: 'QLinearMatMul', inputs: ['uint8[2,3]', f, u, 'int8[3,4]', f, 'int8[]', f, u] },
  { op: 'QuantizeLinear', inputs: ['float32[2,3]', f] },
];
