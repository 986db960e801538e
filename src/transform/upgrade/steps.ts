import type { Node } from '../../graph/index.ts';
import {
  alignBroadcast,
  batchNormalization14,
  castByNumber,
  clipBounds,
  drop,
  dropoutInputs,
  padInputs,
  preluSlope,
  reduceAxes,
  refuseIf,
  reshapeTarget,
  resizeFrom10,
  roiAlign,
  scatterElements,
  sliceInputs,
  softmax,
  spatialOnly,
  splitOutputs,
  sumAxes,
  topK,
  upsampleScales,
  upsampleToResize,
} from './rules.ts';
import type { Upgrade } from './upgrade.ts';

/** Rewrites a node for the version that it is listed under; returns what takes its place. Throws Unconvertible. */
export type UpgradeRule = (node: Node, at: Upgrade) => Node[];

const aligned = Object.fromEntries(
  ['Add', 'Sub', 'Mul', 'Div', 'Pow', 'And', 'Or', 'Xor', 'Equal', 'Greater', 'Less'].map((op) => [
    op,
    alignBroadcast,
  ]),
);
const consumed = Object.fromEntries(
  'Abs BatchNormalization Ceil Clip Dropout Elu Exp Floor HardSigmoid InstanceNormalization LeakyRelu Log Max Mean Min Neg PRelu Reciprocal Relu Selu Sigmoid Sqrt Sum Tanh'
    .split(' ')
    .map((op) => [op, drop('consumed_inputs')]),
);
const reduced = Object.fromEntries(
  'ReduceMax ReduceMin ReduceMean ReduceProd ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceSumSquare'
    .split(' ')
    .map((op) => [op, reduceAxes]),
);

/**
 * The operators of ai.onnx that changed what they take or mean, by the version that changed them (onnx/defs, Changelog.md).
 * What is not listed only learned more dtypes or optional parts, and stays as it is.
 */
export const STEPS: Readonly<Record<number, Readonly<Record<string, UpgradeRule>>>> = {
  5: { Reshape: reshapeTarget },
  6: { ...consumed, Cast: castByNumber, Tile: refuseIf(() => true, 'Tile took other inputs before opset 6') },
  7: {
    ...aligned,
    BatchNormalization: drop('is_test'),
    Dropout: drop('is_test'),
    Gemm: drop('broadcast'),
    PRelu: preluSlope,
    Upsample: refuseIf((node) => !node.attributes.has('scales'), 'Upsample has no scales'),
    LSTM: drop('output_sequence'),
    GRU: drop('output_sequence'),
    RNN: drop('output_sequence'),
  },
  9: {
    BatchNormalization: spatialOnly,
    Upsample: upsampleScales,
    Scan: refuseIf(() => true, 'Scan had a batch axis before opset 9'),
  },
  10: {
    Slice: sliceInputs,
    TopK: topK,
    Upsample: upsampleToResize,
    Dropout: refuseIf(
      (node) => (node.outputs[1] ?? '') !== '',
      'the mask of Dropout had another dtype before opset 10',
    ),
  },
  11: { Clip: clipBounds, Pad: padInputs, Resize: resizeFrom10, Scatter: scatterElements },
  12: { Dropout: dropoutInputs },
  13: {
    Softmax: softmax,
    LogSoftmax: softmax,
    Hardmax: softmax,
    Squeeze: sumAxes,
    Unsqueeze: sumAxes,
    ReduceSum: sumAxes,
    Split: splitOutputs,
  },
  14: { BatchNormalization: batchNormalization14 },
  16: { RoiAlign: roiAlign },
  18: {
    ...reduced,
    Split: (node) => {
      if ((node.inputs[1] ?? '') === '') {
        node.attributes.set('num_outputs', { type: 'int', value: node.outputs.length });
      }
      return [node];
    },
  },
  19: {
    AveragePool: refuseIf(
      (node) => node.attributes.get('ceil_mode')?.value === 1,
      'AveragePool with ceil_mode counts other cells since opset 19',
    ),
  },
  20: {
    GridSample: (node) => {
      const mode = node.attributes.get('mode')?.value;
      if (mode === undefined || mode === 'bilinear')
        node.attributes.set('mode', { type: 'string', value: 'linear' });
      if (mode === 'bicubic') node.attributes.set('mode', { type: 'string', value: 'cubic' });
      return [node];
    },
    DFT: refuseIf(() => true, 'DFT takes its axis otherwise since opset 20'),
  },
  21: {
    GroupNormalization: refuseIf(() => true, 'GroupNormalization has one scale per channel since opset 21'),
  },
};
