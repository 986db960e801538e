import { intOf, stringOf } from '../attributes.ts';
import type { Dim } from '../model.ts';
import { dtypeAttribute } from './constant.ts';
import { axisIn, mapDim, quotientOf, withDim } from './dims.ts';
import { type Element, known, type OpSpec, perOutput, type ShapeRule, type Site, spec } from './op.ts';

const bins = (length: Dim): Dim => mapDim(length, (n) => Math.floor(n / 2) + 1);

const dft: ShapeRule = (site) => {
  const { dtype, shape } = site.at(0);
  if (shape === undefined) return [known(dtype, undefined)];
  const given = site.opset < 20 ? intOf(site.node, 'axis', 1) : site.has(2) ? site.scalar(2) : -2;
  if (given === undefined)
    return [
      known(
        dtype,
        shape.map(() => null),
      ),
    ];
  const axis = axisIn(given, shape.length);
  const oneSided = intOf(site.node, 'onesided', 0) === 1;
  const inverse = intOf(site.node, 'inverse', 0) === 1;
  const length = site.has(1)
    ? (site.at(1).elements?.[0] ?? null)
    : oneSided && inverse
      ? mapDim(shape[axis]!, (n) => 2 * (n - 1))
      : shape[axis]!;
  const dims = withDim(shape, axis, oneSided && !inverse ? bins(length) : length);
  return [known(dtype, withDim(dims, shape.length - 1, oneSided && inverse ? 1 : 2))];
};

const stft: ShapeRule = (site) => {
  const signal = site.shape(0);
  const step = site.scalar(1);
  const length: Dim = site.has(3) ? (site.at(3).elements?.[0] ?? null) : (site.shape(2)?.[0] ?? null);
  const total = signal?.[1] ?? null;
  const known3 = typeof total === 'number' && typeof length === 'number' && step !== undefined;
  const frames = known3 ? Math.floor((total - length) / step) + 1 : null;
  const width = intOf(site.node, 'onesided', 1) === 1 ? bins(length) : length;
  return [known(site.dtype(0), [signal?.[0] ?? null, frames, width, 2])];
};

/** An FFT takes about 5 n log2(n) operations (Cooley and Tukey 1965, radix 2). */
const transform = (axisFromEnd: number) => ({
  work: '5*log2(length) per output element',
  rule: ({ outputs }: Parameters<OpSpec['cost']>[0]) => ({
    macs: 0,
    other: Math.round(
      5 * Math.log2(Math.max(2, outputs[0]?.dims.at(axisFromEnd) ?? 2)) * ((outputs[0]?.size ?? 0) / 2),
    ),
  }),
});

const first = (site: Site, i: number): Element => site.at(i).elements?.[0] ?? null;

const windowFunction = (op: string): OpSpec =>
  spec({
    op,
    since: [17],
    inputs: [1, 1],
    says: '[size]',
    infer: (site) => [known(dtypeAttribute(site.node, 'output_datatype', 'float32'), [first(site, 0)])],
    cost: perOutput(4),
  });

const mel: ShapeRule = (site) => [
  known(dtypeAttribute(site.node, 'output_datatype', 'float32'), [bins(first(site, 1)), first(site, 0)]),
];

/** Columns [N, C*block, L] folded back into images [N, C, image]. */
const col2im: ShapeRule = (site) => {
  const shape = site.ranked(0, 3);
  const [image, block] = [site.at(1).elements, site.at(2).elements];
  const count = image?.length ?? site.shape(1)?.[0];
  if (typeof count !== 'number') return [known(site.dtype(0), undefined)];
  const channels = block === undefined || shape === undefined ? null : quotientOf([shape[1]!], block);
  return [
    known(site.dtype(0), [shape?.[0] ?? null, channels, ...(image ?? new Array<Dim>(count).fill(null))]),
  ];
};

/** Signals and images. */
export const SIGNAL = {
  DFT: spec({
    op: 'DFT',
    since: [17, 20],
    inputs: [1, 3],
    says: 'the length along axis; complex',
    infer: dft,
    cost: transform(-2),
    traits: { sameType: true },
  }),
  STFT: spec({
    op: 'STFT',
    since: [17],
    inputs: [2, 4],
    says: '[N, frames, bins, 2]',
    infer: stft,
    cost: transform(-2),
    traits: { sameType: true },
  }),
  BlackmanWindow: windowFunction('BlackmanWindow'),
  HammingWindow: windowFunction('HammingWindow'),
  HannWindow: windowFunction('HannWindow'),
  MelWeightMatrix: spec({
    op: 'MelWeightMatrix',
    since: [17],
    inputs: [5, 5],
    says: '[dft_length/2 + 1, num_mel_bins]',
    infer: mel,
    cost: perOutput(4),
  }),
  Col2Im: spec({
    op: 'Col2Im',
    since: [18],
    inputs: [3, 3],
    says: '[N, C/block, image]',
    infer: col2im,
    cost: { work: '1 per input element', rule: ({ inputs }) => ({ macs: 0, other: inputs[0]?.size ?? 0 }) },
    traits: { sameType: true },
  }),
  ImageDecoder: spec({
    op: 'ImageDecoder',
    since: [20],
    inputs: [1, 1],
    says: '[unknown, unknown, channels]',
    infer: ({ node }) => [
      known('uint8', [null, null, stringOf(node, 'pixel_format', 'RGB') === 'Grayscale' ? 1 : 3]),
    ],
  }),
} as const satisfies Record<string, OpSpec>;
