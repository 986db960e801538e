import { intOf } from '../attributes.ts';
import { type DType, dtypeOfNumber } from '../dtype.ts';
import { known, type OpSpec, perOutput, type ShapeRule, type Site, spec } from './op.ts';

/** output_dtype where it is set (0 is unset), else what `absent` says. */
function outputType(site: Site, absent: DType | undefined): DType | undefined {
  const number = intOf(site.node, 'output_dtype', 0);
  return number === 0 ? absent : dtypeOfNumber(number);
}

const quantized: ShapeRule = (site) => {
  const dtype = site.has(2) ? site.dtype(2) : outputType(site, 'uint8');
  return [known(dtype, site.shape(0))];
};

const dequantized: ShapeRule = (site) => [known(outputType(site, site.dtype(1)), site.shape(0))];

const dynamic: ShapeRule = (site) => [
  known('uint8', site.shape(0)),
  known('float32', []),
  known('uint8', []),
];

/** The steps between real and quantized numbers; `domain` com.microsoft has them for more dtypes. */
export const quantizers = (domain: '' | 'com.microsoft') =>
  ({
    QuantizeLinear: spec({
      op: 'QuantizeLinear',
      domain,
      since: domain === '' ? [10, 13, 19, 21, 23, 24, 25] : [1],
      inputs: [2, 3],
      says: 'as the input; dtype of the zero point',
      infer: quantized,
      cost: perOutput(4),
      traits: { elementwise: true, sameShape: true, quantized: true },
    }),
    DequantizeLinear: spec({
      op: 'DequantizeLinear',
      domain,
      since: domain === '' ? [10, 13, 19, 21, 23, 24, 25] : [1],
      inputs: [2, 3],
      says: 'as the input; dtype of the scale',
      infer: dequantized,
      cost: perOutput(2),
      traits: { elementwise: true, sameShape: true, quantized: true },
    }),
  }) as const satisfies Record<string, OpSpec>;

export const QUANTIZE = {
  ...quantizers(''),
  DynamicQuantizeLinear: spec({
    op: 'DynamicQuantizeLinear',
    since: [11],
    inputs: [1, 1],
    outputs: [3, 3],
    says: 'as the input, uint8; its scale and zero point',
    infer: dynamic,
    cost: perOutput(6),
    traits: { sameShape: true, quantized: true },
  }),
} as const satisfies Record<string, OpSpec>;
