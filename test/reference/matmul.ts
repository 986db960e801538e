import { intOf, type Node, sizeOf, stringOf } from '../../src/graph/index.ts';
import { broadcastDims, broadcastOffset, eachIndex, offsetOf, picked } from './indices.ts';
import { input, type Kernel, type Kernels, single } from './kernel.ts';
import { like, type Value } from './value.ts';

/** numpy.matmul: vectors become a row or a column, leading axes are broadcast. */
function product(a: Value, b: Value, alpha = 1): Value {
  const left = a.dims.length === 1 ? [1, ...a.dims] : a.dims;
  const right = b.dims.length === 1 ? [...b.dims, 1] : b.dims;
  const [rows, inner] = left.slice(-2) as [number, number];
  const [same, columns] = right.slice(-2) as [number, number];
  if (inner !== same) throw new Error(`[${a.dims}] x [${b.dims}]`);
  const batch = broadcastDims(left.slice(0, -2), right.slice(0, -2));
  const dims = [...batch, rows, columns];
  const data = new Float64Array(sizeOf(dims));
  eachIndex(dims, (index, flat) => {
    const [row, column] = index.slice(-2) as [number, number];
    const at = index.slice(0, -2);
    const fromA = (broadcastOffset(left.slice(0, -2), at) * rows + row) * inner;
    const fromB = broadcastOffset(right.slice(0, -2), at) * inner * columns + column;
    let sum = 0;
    for (let k = 0; k < inner; k++) sum += a.data[fromA + k]! * b.data[fromB + k * columns]!;
    data[flat] = alpha * sum;
  });
  const shown = [...batch];
  if (a.dims.length > 1) shown.push(rows);
  if (b.dims.length > 1) shown.push(columns);
  return like(a, shown, data);
}

/** The last two axes change places where an attribute says so. */
function turned(value: Value, node: Node, attribute: string): Value {
  if (intOf(node, attribute, 0) === 0 || value.dims.length < 2) return value;
  const swap = (list: readonly number[]) => [...list.slice(0, -2), list.at(-1)!, list.at(-2)!];
  return picked(value, swap(value.dims), swap);
}

const gemm: Kernel = (call) => {
  const { node } = call;
  const c = call.inputs[2];
  const beta = single(node, 'beta', 1);
  const y = product(
    turned(input(call, 0), node, 'transA'),
    turned(input(call, 1), node, 'transB'),
    single(node, 'alpha', 1),
  );
  if (c === undefined) return [y];
  const data = new Float64Array(y.data);
  eachIndex(y.dims, (index, flat) => {
    data[flat]! += beta * c.data[broadcastOffset(c.dims, index)]!;
  });
  return [like(y, y.dims, data)];
};

const fusedMatMul: Kernel = (call) => {
  const { node } = call;
  if (intOf(node, 'transBatchA', 0) !== 0 || intOf(node, 'transBatchB', 0) !== 0)
    throw new Error('FusedMatMul with transBatch');
  const [a, b] = [turned(input(call, 0), node, 'transA'), turned(input(call, 1), node, 'transB')];
  return [product(a, b, single(node, 'alpha', 1))];
};

/** The labels of a term; "..." becomes the digits that stand for the broadcast axes, the last one always 0. */
function labelsOf(term: string, rank: number): string[] {
  const [before = '', after] = term.split('...') as [string, string | undefined];
  if (after === undefined) return [...before];
  const extra = rank - before.length - after.length;
  return [...before, ...Array.from({ length: extra }, (_, i) => String(extra - 1 - i)), ...after];
}

const einsum: Kernel = (call) => {
  const values = call.inputs.map((_, at) => input(call, at));
  const [left = '', right] = stringOf(call.node, 'equation', '').replaceAll(' ', '').split('->') as [
    string,
    string | undefined,
  ];
  const terms = left.split(',').map((term, i) => labelsOf(term, values[i]!.dims.length));
  const sizes = new Map<string, number>();
  for (const [i, term] of terms.entries())
    for (const [axis, label] of term.entries())
      sizes.set(label, Math.max(sizes.get(label) ?? 1, values[i]!.dims[axis]!));
  const labels = [...sizes.keys()];
  const broadcast = labels
    .filter((label) => /\d/.test(label))
    .sort()
    .reverse();
  const once = labels
    .filter((label) => /\D/.test(label) && terms.flat().filter((other) => other === label).length === 1)
    .sort();
  // Without "->": the broadcast axes, then all labels that occur once, in alphabetical order.
  const result =
    right === undefined ? [...broadcast, ...once] : labelsOf(right, right.length - 3 + broadcast.length);
  const dims = result.map((label) => sizes.get(label)!);
  const data = new Float64Array(sizeOf(dims));
  eachIndex(
    labels.map((label) => sizes.get(label)!),
    (index) => {
      const at = (label: string) => index[labels.indexOf(label)]!;
      let factor = 1;
      for (const [i, term] of terms.entries()) {
        const own = values[i]!;
        factor *=
          own.data[
            offsetOf(
              own.dims,
              term.map((label, axis) => (own.dims[axis] === 1 ? 0 : at(label))),
            )
          ]!;
      }
      data[offsetOf(dims, result.map(at))]! += factor;
    },
  );
  return [like(values[0]!, dims, data)];
};

/** Products of matrices. */
export const MATMUL: Kernels = {
  MatMul: (call) => [product(input(call, 0), input(call, 1))],
  Gemm: gemm,
  Einsum: einsum,
  'com.microsoft:FusedMatMul': fusedMatMul,
};
