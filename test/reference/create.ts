import {
  type DType,
  dtypeOfNumber,
  floatOf,
  floatsOf,
  intOf,
  intsOf,
  isFloat,
  type Node,
  sizeOf,
  tensorOf,
} from '../../src/graph/index.ts';
import { axisIn, eachIndex, picked } from './indices.ts';
import { input, type Kernel, type Kernels, listOf } from './kernel.ts';
import { float, int, like, ofDtype, ofTensor, type Value, wrap } from './value.ts';

const constant: Kernel = ({ node }) => {
  const tensor = tensorOf(node, 'value');
  if (tensor !== undefined) return [ofTensor(tensor)];
  const one = floatOf(node, 'value_float') ?? floatsOf(node, 'value_floats');
  if (one !== undefined) return [typeof one === 'number' ? float([], [one]) : float([one.length], one)];
  const whole = intOf(node, 'value_int') ?? intsOf(node, 'value_ints');
  if (whole === undefined) throw new Error('a Constant without numbers');
  return [typeof whole === 'number' ? int([], [whole]) : int([whole.length], whole)];
};

const constantOfShape: Kernel = (call) => {
  const dims = listOf(call, 0)!;
  const tensor = tensorOf(call.node, 'value');
  const fill = tensor === undefined ? float([1], [0]) : ofTensor(tensor);
  return [like(fill, dims, new Float64Array(sizeOf(dims)).fill(fill.data[0]!))];
};

/** Floats keep their doubles; what becomes an integer is cut towards zero and wraps. */
function cast(value: Value, dtype: DType): Value {
  if (isFloat(dtype)) return float(value.dims, value.data);
  if (dtype === 'bool')
    return ofDtype(
      dtype,
      value.dims,
      value.data.map((v) => Number(v !== 0)),
    );
  return ofDtype(
    dtype,
    value.dims,
    value.data.map((v) => wrap(Math.trunc(v), dtype)),
  );
}

function targetOf(node: Node): DType {
  const dtype = dtypeOfNumber(intOf(node, 'to', 0));
  if (dtype === undefined) throw new Error('a Cast to an unknown type');
  return dtype;
}

const castLike: Kernel = (call) => {
  const { kind, dtype = 'int64' } = input(call, 1);
  return [cast(input(call, 0), kind === 'float' ? 'float64' : kind === 'bool' ? 'bool' : dtype)];
};

const shape: Kernel = (call) => {
  const { dims } = input(call, 0);
  const found = dims.slice(intOf(call.node, 'start', 0), intOf(call.node, 'end', dims.length));
  return [int([found.length], found)];
};

const range: Kernel = (call) => {
  const [start, limit, delta] = [0, 1, 2].map((at) => input(call, at).data[0]!) as [number, number, number];
  const count = Math.max(0, Math.ceil((limit - start) / delta));
  return [
    like(
      input(call, 0),
      [count],
      Float64Array.from({ length: count }, (_, i) => start + i * delta),
    ),
  ];
};

const eyeLike: Kernel = (call) => {
  const { kind, dtype = 'int64', dims } = input(call, 0);
  const own: DType = kind === 'float' ? 'float64' : kind === 'bool' ? 'bool' : dtype;
  const asked = dtypeOfNumber(intOf(call.node, 'dtype', 0)) ?? own;
  const k = intOf(call.node, 'k', 0);
  const data = new Float64Array(sizeOf(dims));
  eachIndex(dims, ([row, column], flat) => {
    data[flat] = column! - row! === k ? 1 : 0;
  });
  return [ofDtype(asked, dims, data)];
};

const oneHot: Kernel = (call) => {
  const indices = input(call, 0);
  const depth = input(call, 1).data[0]!;
  const values = input(call, 2);
  const axis = axisIn(intOf(call.node, 'axis', -1), indices.dims.length + 1);
  const dims: number[] = [...indices.dims];
  dims.splice(axis, 0, depth);
  // An index outside of [-depth, depth) makes no hot element.
  const chosen = picked(indices, dims, (index) => index.filter((_, i) => i !== axis)).data;
  const data = new Float64Array(sizeOf(dims));
  eachIndex(dims, (index, flat) => {
    const hot = chosen[flat]! < 0 ? chosen[flat]! + depth : chosen[flat]!;
    data[flat] = values.data[index[axis] === hot ? 1 : 0]!;
  });
  return [like(values, dims, data)];
};

const trilu: Kernel = (call) => {
  const x = input(call, 0);
  const k = call.inputs[1]?.data[0] ?? 0;
  const upper = intOf(call.node, 'upper', 1) !== 0;
  return [
    picked(x, x.dims, (index) => {
      const [row, column] = index.slice(-2);
      const kept = upper ? column! - row! >= k : column! - row! <= k;
      return kept ? index : undefined;
    }),
  ];
};

/** Constants, casts, and what depends on shapes alone. */
export const CREATE: Kernels = {
  Constant: constant,
  ConstantOfShape: constantOfShape,
  Identity: (call) => [input(call, 0)],
  Cast: (call) => [cast(input(call, 0), targetOf(call.node))],
  CastLike: castLike,
  Shape: shape,
  Size: (call) => [int([], [sizeOf(input(call, 0).dims)])],
  Range: range,
  EyeLike: eyeLike,
  OneHot: oneHot,
  Trilu: trilu,
};
