import { fail } from '../../base/index.ts';
import { intOf, intsOf } from '../attributes.ts';
import type { Dim } from '../model.ts';
import { addDims, axisIn, isStatic, sameDim, shapeText, unknownDims, withDim } from './dims.ts';
import { followed, gathered } from './elements.ts';
import { type Element, type Known, known, MANY, type OpSpec, type ShapeRule, spec } from './op.ts';

/** The shape of tensors put one after the other along an axis. Exported for the quantized kin. */
export function concatenated(parts: readonly Known[], givenAxis: number): Known {
  const first = parts.find((part) => part.shape !== undefined);
  const rank = first?.shape?.length;
  const dtype = parts.find((part) => part.dtype !== undefined)?.dtype;
  if (rank === undefined) return known(dtype, undefined);
  const axis = axisIn(givenAxis, rank);
  let dims: Dim[] = withDim(unknownDims(rank), axis, 0);
  for (const { shape } of parts) {
    if (shape !== undefined && shape.length !== rank) {
      throw fail('SHAPE_MISMATCH', `${shapeText(shape)} cannot be joined to rank ${rank}`);
    }
    dims = dims.map((dim, i) => {
      const next = shape?.[i] ?? null;
      return i === axis ? addDims(dim, next) : sameDim(dim, next, `dimension ${i} of what is joined`);
    });
  }
  return known(dtype, dims, joinedElements(parts, dims, axis));
}

function joinedElements(parts: readonly Known[], dims: readonly Dim[], axis: number): Element[] | undefined {
  if (followed(dims) === undefined || !parts.some((part) => part.elements !== undefined)) return undefined;
  const result: Element[] = [];
  const rows = (dims.slice(0, axis) as number[]).reduce((a, b) => a * b, 1);
  for (let row = 0; row < rows; row++) {
    for (const { shape, elements } of parts) {
      if (!isStatic(shape)) return undefined;
      const width = shape.slice(axis).reduce((a, b) => a * b, 1);
      for (let i = 0; i < width; i++) result.push(elements?.[row * width + i] ?? null);
    }
  }
  return result;
}

const split: ShapeRule = (site) => {
  const { dtype, shape } = site.at(0);
  const count = site.node.outputs.length;
  const given = intsOf(site.node, 'split') ?? (site.has(1) ? site.numbers(1) : 'even');
  const outputs: Known[] = [];
  if (shape === undefined) return site.node.outputs.map(() => known(dtype, undefined));
  const axis = axisIn(intOf(site.node, 'axis', 0), shape.length);
  const dim = shape[axis]!;
  if (given !== undefined && given !== 'even') {
    const sum = given.reduce((a, b) => a + b, 0);
    if (given.length < count || (typeof dim === 'number' && dim !== sum)) {
      throw fail(
        'SHAPE_MISMATCH',
        `a dimension of ${dim} cannot be split into [${given}] for ${count} outputs`,
      );
    }
  }
  const even = typeof dim === 'number' ? Math.ceil(dim / (intOf(site.node, 'num_outputs') ?? count)) : null;
  let start = 0;
  for (let i = 0; i < count; i++) {
    let size: Dim = null;
    if (given === 'even') size = even === null ? null : Math.max(0, Math.min(even, Number(dim) - start));
    else if (given !== undefined) size = given[i]!;
    const dims = withDim(shape, axis, size);
    const from = start;
    const elements = gathered(site.at(0), dims, (index) =>
      index.map((at, a) => (a === axis ? at + from : at)),
    );
    outputs.push(known(dtype, dims, elements));
    start += typeof size === 'number' ? size : Number.NaN;
  }
  return outputs;
};

const pad: ShapeRule = (site) => {
  const { dtype, shape } = site.at(0);
  if (shape === undefined) return [known(dtype, undefined)];
  const pads = intsOf(site.node, 'pads') ?? intsOf(site.node, 'paddings') ?? site.at(1).elements;
  const axes = site.has(3) ? site.axes(3, shape.length) : shape.map((_, i) => i);
  if (pads === undefined || axes === undefined || axes === 'absent')
    return [known(dtype, unknownDims(shape.length))];
  if (pads.length !== 2 * axes.length) {
    throw fail('SHAPE_MISMATCH', `${pads.length} pads for ${axes.length} axes`);
  }
  const dims: Dim[] = [...shape];
  for (const [i, axis] of axes.entries()) {
    dims[axis] = addDims(addDims(dims[axis]!, pads[i]!), pads[i + axes.length]!);
    if (Number(dims[axis]) < 0)
      throw fail('SHAPE_MISMATCH', `pads [${pads}] take more than ${shapeText(shape)} has`);
  }
  return [known(dtype, dims)];
};

/** Spatial crop and pad to a given size. */
const centerCropPad: ShapeRule = (site) => {
  const { dtype, shape } = site.at(0);
  if (shape === undefined) return [known(dtype, undefined)];
  const axes = (intsOf(site.node, 'axes') ?? shape.map((_, i) => i)).map((axis) =>
    axisIn(axis, shape.length),
  );
  const target = site.at(1).elements;
  const dims: Dim[] = [...shape];
  for (const [i, axis] of axes.entries()) dims[axis] = target?.[i] ?? null;
  return [known(dtype, dims)];
};

/** Tensors joined, cut apart and bordered. */
export const JOIN = {
  Concat: spec({
    op: 'Concat',
    since: [1, 4, 11, 13],
    inputs: [1, MANY],
    says: 'the sizes along axis added',
    infer: (site) => [
      concatenated(
        site.inputs.map((input) => input ?? { shape: undefined }),
        intOf(site.node, 'axis', 1),
      ),
    ],
    traits: { moves: true, sameType: true },
  }),
  Split: spec({
    op: 'Split',
    since: [1, 2, 11, 13, 18],
    inputs: [1, 2],
    outputs: [1, MANY],
    says: 'the parts along axis, or even ones',
    infer: split,
    traits: { moves: true, sameType: true },
  }),
  Pad: spec({
    op: 'Pad',
    since: [1, 2, 11, 13, 18, 19, 21, 23, 24, 25],
    inputs: [1, 4],
    says: 'each dimension plus its pads',
    infer: pad,
    traits: { sameType: true },
  }),
  CenterCropPad: spec({
    op: 'CenterCropPad',
    since: [18],
    inputs: [2, 2],
    says: 'the target, along axes',
    infer: centerCropPad,
    traits: { sameType: true },
  }),
} as const satisfies Record<string, OpSpec>;
