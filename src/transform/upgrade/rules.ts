import {
  attr,
  DTYPES,
  type DType,
  floatOf,
  floatsOf,
  intOf,
  makeNode,
  type Node,
  stringOf,
  Tensor,
} from '../../graph/index.ts';
import { stemOf, Unconvertible, type Upgrade } from './upgrade.ts';

/*
 * One function a change of signature. Each edits the node and returns what takes its place in the graph.
 */

export const drop =
  (attribute: string) =>
  (node: Node): Node[] => {
    node.attributes.delete(attribute);
    return [node];
  };

export const refuseIf =
  (bad: (node: Node) => boolean, why: string) =>
  (node: Node): Node[] => {
    if (bad(node)) throw new Unconvertible(why);
    return [node];
  };

/** Moves an attribute of integers to an input; 'to the end' (2^63 - 1) is no safe number and stays a bigint. */
function toInput(node: Node, at: Upgrade, attribute: string, place: number): boolean {
  const given = node.attributes.get(attribute);
  if (given?.type !== 'ints') return false;
  node.attributes.delete(attribute);
  while (node.inputs.length < place) node.inputs.push('');
  node.inputs[place] = at.ints(stemOf(node, attribute), given.value);
  return true;
}

export function reshapeTarget(node: Node, at: Upgrade): Node[] {
  node.attributes.delete('consumed_inputs');
  if (!toInput(node, at, 'shape', 1)) throw new Unconvertible('Reshape has no shape');
  return [node];
}

/** Before opset 6 Cast names its dtype in words. */
export function castByNumber(node: Node): Node[] {
  const words: Record<string, DType> = { FLOAT: 'float32', DOUBLE: 'float64', FLOAT16: 'float16' };
  const to = stringOf(node, 'to', '').toUpperCase();
  const dtype = words[to] ?? (to.toLowerCase() as DType);
  if (!Object.hasOwn(DTYPES, dtype)) throw new Unconvertible(`Cast goes to ${to}`);
  node.attributes.set('to', attr.int(DTYPES[dtype].onnx));
  return [node];
}

/** Before opset 7 B is stretched to A from an axis on, by attributes: the dimensions after it are added to B. */
export function alignBroadcast(node: Node, at: Upgrade): Node[] {
  node.attributes.delete('consumed_inputs');
  const broadcast = intOf(node, 'broadcast', 0) === 1;
  const axis = intOf(node, 'axis');
  node.attributes.delete('broadcast');
  node.attributes.delete('axis');
  if (!broadcast || axis === undefined) return [node];
  const [a, b] = [at.types.shape(node.inputs[0]!), at.types.shape(node.inputs[1]!)];
  if (a === undefined || b === undefined) throw new Unconvertible('ranks of what is broadcast are not known');
  const from = axis < 0 ? axis + a.length : axis;
  const trailing = a.length - from - b.length;
  if (trailing <= 0) return [node];
  const aligned = at.fresh(stemOf(node, 'aligned'));
  const axes = Array.from({ length: trailing }, (_, i) => b.length + i);
  const stretched = makeNode(
    'Unsqueeze',
    [node.inputs[1]!],
    [aligned],
    { axes: attr.ints(axes) },
    { name: aligned },
  );
  node.inputs[1] = aligned;
  return [stretched, node];
}

/** Before opset 7 a PRelu's slopes of [C] go by channel; since then they broadcast from the last axis. */
export function preluSlope(node: Node, at: Upgrade): Node[] {
  const [x, slope] = [at.types.shape(node.inputs[0]!), at.types.shape(node.inputs[1]!)];
  if (x === undefined || slope === undefined) throw new Unconvertible('ranks of PRelu are not known');
  if (slope.length !== 1 || slope[0] === 1 || x.length <= 2) return [node];
  const aligned = at.fresh(stemOf(node, 'slope'));
  const axes = Array.from({ length: x.length - 2 }, (_, i) => 1 + i);
  const stretched = makeNode(
    'Unsqueeze',
    [node.inputs[1]!],
    [aligned],
    { axes: attr.ints(axes) },
    { name: aligned },
  );
  node.inputs[1] = aligned;
  return [stretched, node];
}

export function spatialOnly(node: Node): Node[] {
  if (intOf(node, 'spatial', 1) !== 1)
    throw new Unconvertible('BatchNormalization with spatial=0 is no more');
  node.attributes.delete('spatial');
  return [node];
}

export function upsampleScales(node: Node, at: Upgrade): Node[] {
  const scales = floatsOf(node, 'scales');
  if (scales === undefined) throw new Unconvertible('Upsample has no scales');
  node.attributes.delete('scales');
  node.inputs[1] = at.weight(stemOf(node, 'scales'), Tensor.float32([scales.length], scales));
  return [node];
}

export function upsampleToResize(node: Node): Node[] {
  node.op = 'Resize';
  return [node];
}

export function sliceInputs(node: Node, at: Upgrade): Node[] {
  toInput(node, at, 'starts', 1);
  toInput(node, at, 'ends', 2);
  toInput(node, at, 'axes', 3);
  return [node];
}

export function topK(node: Node, at: Upgrade): Node[] {
  const k = intOf(node, 'k');
  if (k === undefined) return [node];
  node.attributes.delete('k');
  node.inputs[1] = at.ints(stemOf(node, 'k'), [k]);
  return [node];
}

/** Bounds get the dtype of what is clipped. */
export function clipBounds(node: Node, at: Upgrade): Node[] {
  const bounds = [floatOf(node, 'min'), floatOf(node, 'max')] as const;
  node.attributes.delete('min');
  node.attributes.delete('max');
  if (bounds[0] === undefined && bounds[1] === undefined) return [node];
  const dtype = at.types.dtype(node.inputs[0]!);
  if (dtype !== 'float32' && dtype !== 'float64')
    throw new Unconvertible(`Clip of ${dtype ?? 'an unknown dtype'}`);
  const scalar = (value: number) =>
    dtype === 'float32' ? Tensor.float32([], [value]) : Tensor.of('float64', [], Float64Array.of(value));
  for (const [i, value] of bounds.entries()) {
    if (value === undefined && i === 1) break;
    node.inputs[i + 1] =
      value === undefined ? '' : at.weight(stemOf(node, i === 0 ? 'min' : 'max'), scalar(value));
  }
  return [node];
}

export function padInputs(node: Node, at: Upgrade): Node[] {
  if (!toInput(node, at, 'pads', 1) && !toInput(node, at, 'paddings', 1)) {
    throw new Unconvertible('Pad has no pads');
  }
  const value = floatOf(node, 'value', 0);
  node.attributes.delete('value');
  if (value === 0) return [node];
  if (at.types.dtype(node.inputs[0]!) !== 'float32')
    throw new Unconvertible('Pad with a value of another dtype');
  node.inputs[2] = at.weight(stemOf(node, 'value'), Tensor.float32([], [value]));
  return [node];
}

/** Before opset 11 coordinates are those of opset 11's 'asymmetric', rounded down; shrinking rounded otherwise. */
export function resizeFrom10(node: Node, at: Upgrade): Node[] {
  const scales = at.constant(node.inputs[1] ?? '')?.numbers();
  const nearest = stringOf(node, 'mode', 'nearest') === 'nearest';
  if (nearest && !scales?.every((scale) => scale >= 1)) {
    throw new Unconvertible('Resize to the nearest cell by a factor below 1, or an unknown one');
  }
  node.inputs = [node.inputs[0]!, '', node.inputs[1]!];
  node.attributes.set('coordinate_transformation_mode', attr.string('asymmetric'));
  if (nearest) node.attributes.set('nearest_mode', attr.string('floor'));
  // An absent region of interest is an empty tensor before opset 13.
  node.inputs[1] = at.weight(stemOf(node, 'roi'), Tensor.float32([0], []));
  return [node];
}

export function scatterElements(node: Node): Node[] {
  node.op = 'ScatterElements';
  return [node];
}

export function dropoutInputs(node: Node, at: Upgrade): Node[] {
  const ratio = floatOf(node, 'ratio');
  node.attributes.delete('ratio');
  if (ratio !== undefined) node.inputs[1] = at.weight(stemOf(node, 'ratio'), Tensor.float32([], [ratio]));
  return [node];
}

/**
 * Before opset 13 a softmax runs over all axes from `axis` (1 unless told) on, as one. Over the last axis alone that is
 * what it is today; else the value is flattened and brought back.
 */
export function softmax(node: Node, at: Upgrade): Node[] {
  const rank = at.types.shape(node.inputs[0]!)?.length;
  const axis = intOf(node, 'axis', 1);
  if (axis === -1 || (rank !== undefined && (axis < 0 ? axis + rank : axis) === rank - 1)) {
    node.attributes.set('axis', attr.int(-1));
    return [node];
  }
  const [shape, flat, result] = ['shape', 'flat', 'rows'].map((part) => at.fresh(stemOf(node, part))) as [
    string,
    string,
    string,
  ];
  const [x, y] = [node.inputs[0]!, node.outputs[0]!];
  node.attributes.set('axis', attr.int(-1));
  node.inputs[0] = flat;
  node.outputs[0] = result;
  return [
    makeNode('Shape', [x], [shape], {}, { name: shape }),
    makeNode('Flatten', [x], [flat], { axis: attr.int(axis) }, { name: flat }),
    node,
    makeNode('Reshape', [result, shape], [y], {}, { name: at.fresh(stemOf(node, 'back')) }),
  ];
}

export function sumAxes(node: Node, at: Upgrade): Node[] {
  toInput(node, at, 'axes', 1);
  return [node];
}

export const reduceAxes = sumAxes;

export function splitOutputs(node: Node, at: Upgrade): Node[] {
  toInput(node, at, 'split', 1);
  return [node];
}

/** Opset 14 knows one output at inference; the others may not even be named. */
export function batchNormalization14(node: Node, at: Upgrade): Node[] {
  const extra = node.outputs.slice(1).filter((name) => name !== '');
  const read = new Set(at.graph.nodes.flatMap((other) => other.inputs));
  for (const output of at.graph.outputs) read.add(output.name);
  if (extra.some((name) => read.has(name)))
    throw new Unconvertible('the statistics of BatchNormalization are read');
  node.outputs.length = 1;
  return [node];
}

export function roiAlign(node: Node): Node[] {
  if (!node.attributes.has('coordinate_transformation_mode')) {
    node.attributes.set('coordinate_transformation_mode', attr.string('output_half_pixel'));
  }
  return [node];
}
