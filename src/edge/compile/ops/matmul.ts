import { floatOf, intOf } from '../../../graph/index.ts';
import { floatArithmetic, integerArithmetic } from '../kernels/arithmetic.ts';
import { copy } from '../kernels/elementwise.ts';
import { gemm } from '../kernels/gemm.ts';
import { packPanels, perChannel } from '../kernels/pack.ts';
import type { Sink } from '../kernels/sink.ts';
import type { Lowering } from '../plan/lowering.ts';
import { constant, op } from '../plan/tree.ts';
import type { Value } from '../plan/value.ts';
import { broadcastTo, elementBytes, permuted, reshaped, type View } from '../plan/view.ts';
import { requantized, scaleOf } from './conv.ts';
import { floatOnly, input, type Row, shellOf } from './row.ts';
import { floatWeights, type IntegerFactors, integerFactors } from './weights.ts';

interface Product {
  /** [..., M, K] */
  readonly x: View;
  readonly K: number;
  readonly N: number;
  readonly factors: { readonly at: (n: number, k: number) => number } | { readonly matrix: View };
  readonly bias: Float32Array | undefined;
  readonly integer: IntegerFactors | undefined;
}

/** [..., M, K] times [K, N], or times [..., K, N] in memory. */
function product(low: Lowering, shell: Omit<Value, 'tree'>, p: Product): Value {
  const { program } = low;
  const label = low.label;
  const rank = shell.dims.length;
  const size = elementBytes(p.x);
  const lead = shell.dims.slice(0, -2);
  const x = broadcastTo(p.x, [...lead, p.x.dims.at(-2)!, p.K]);
  return low.heavy(shell, rank - 1, (given: Sink) => {
    const a = p.integer === undefined ? floatArithmetic(program) : integerArithmetic(program);
    const { sink, scales } =
      p.integer === undefined ? { sink: given, scales: undefined } : requantized(given, p.integer);
    const matrix = 'matrix' in p.factors ? broadcastTo(p.factors.matrix, [...lead, p.K, p.N]) : undefined;
    const factors = p.factors;
    const bias =
      p.integer?.bias !== undefined
        ? perChannel(program, `${label} bias`, p.integer.bias, true)
        : p.bias && perChannel(program, `${label} bias`, p.bias, false);
    gemm(
      program,
      label,
      {
        arithmetic: a,
        x,
        weights:
          'at' in factors
            ? {
                pack: (vecs, run) =>
                  packPanels(
                    program,
                    `${label} weights`,
                    a,
                    { channels: p.N, sum: p.K, run, vecs },
                    factors.at,
                  ),
              }
            : { view: matrix!, kStep: 4 * matrix!.strides.at(-2)! },
        bias,
        scale: scales && scaleOf(program, `${label} scales`, scales),
        channels: p.N,
        axis: rank - 1,
        positions: shell.dims.slice(0, -1).map((dim, axis) => ({
          size: dim,
          axis,
          x: x.strides[axis]! * size,
          w: matrix === undefined || axis === rank - 2 ? 0 : matrix.strides[axis]! * 4,
        })),
        sums: [{ size: p.K, x: x.strides.at(-1)! * size }],
      },
      sink,
    );
  });
}

/** The columns side by side, as the kernel reads them. */
function asMatrix(low: Lowering, view: View): View {
  if (view.strides.at(-1) === 1 || view.dims.at(-1) === 1) return view;
  const plain = low.program.plain('factor', 'f32', view.dims);
  copy(low.program, low.label, view, plain);
  return plain;
}

/** A vector as a matrix of one row, or of one column. */
function atLeastMatrix(view: View, side: 'row' | 'column'): View {
  if (view.dims.length > 1) return view;
  return reshaped(view, side === 'row' ? [1, view.dims[0]!] : [view.dims[0]!, 1])!;
}

const matMul: Row = (site) => {
  const { low } = site;
  const [a, b] = [input(site, 0), input(site, 1)];
  floatOnly(a);
  const shell = shellOf(site);
  const [K, N] = [a.dims.at(-1)!, b.dims.length === 1 ? 1 : b.dims.at(-1)!];
  const single = b.dims.length <= 2;
  const integer = single && b.dims.length === 2 ? integerFactors(a, b, undefined, N, 1) : undefined;
  const fixed = single && (b.constant !== undefined || b.weights !== undefined);
  const x = atLeastMatrix(low.view(integer === undefined ? a : a.real!), 'row');
  const values = fixed ? (integer?.weights ?? floatWeights(b)) : undefined;
  const factors =
    values === undefined
      ? { matrix: asMatrix(low, atLeastMatrix(low.view(b), 'column')) }
      : { at: (n: number, k: number) => values[k * N + n]! };
  const vector = a.dims.length === 1 || b.dims.length === 1;
  if (!vector) return [product(low, shell, { x, K, N, factors, bias: undefined, integer })];
  // A vector stands for a matrix of one row or column, which the answer does not have.
  const lead = shell.dims.slice(
    0,
    shell.dims.length - (a.dims.length === 1 ? 0 : 1) - (b.dims.length === 1 ? 0 : 1),
  );
  const dims = [...lead, a.dims.length === 1 ? 1 : a.dims.at(-2)!, N];
  const whole = product(low, low.inner(dims, {}), { x, K, N, factors, bias: undefined, integer });
  return [{ ...shell, view: reshaped(low.view(whole), shell.dims) }];
};

const gemmRow: Row = (site) => {
  const { low, node } = site;
  const [a, b, c] = [input(site, 0), input(site, 1), site.inputs[2]];
  floatOnly(a);
  const [alpha, beta] = [floatOf(node, 'alpha', 1), floatOf(node, 'beta', 1)];
  const [transA, transB] = [intOf(node, 'transA', 0) !== 0, intOf(node, 'transB', 0) !== 0];
  const shell = shellOf(site);
  const [, N] = shell.dims as [number, number];
  const K = a.dims[transA ? 0 : 1]!;
  const perColumn = c !== undefined && (c.constant ?? c.weights?.tensor)?.size === N && c.dims.at(-1) === N;
  const integer =
    alpha === 1 && beta === 1 && (c === undefined || perColumn)
      ? integerFactors(a, b, c, N, transB ? 0 : 1)
      : undefined;
  const view = low.view(integer === undefined ? a : a.real!);
  const x = transA ? permuted(view, [1, 0]) : view;
  const fixed = b.constant !== undefined || b.weights !== undefined;
  const values = fixed ? (integer?.weights ?? floatWeights(b)) : undefined;
  const matrix = fixed ? undefined : low.view(b);
  const factors =
    values === undefined
      ? { matrix: asMatrix(low, transB ? permuted(matrix!, [1, 0]) : matrix!) }
      : {
          at: (n: number, k: number) =>
            (integer === undefined ? alpha : 1) * values[transB ? n * K + k : k * N + n]!,
        };
  const bias = perColumn && integer === undefined ? floatWeights(c).map((value) => value * beta) : undefined;
  const made = product(low, bias || integer || c === undefined ? shell : low.inner(shell.dims, {}), {
    ...{ x, K, N, factors, integer },
    bias: fixed || alpha === 1 ? bias : undefined,
  });
  const plain = fixed || alpha === 1 ? made.tree! : op('mul', [made.tree!, constant(alpha)]);
  const rest = c !== undefined && integer === undefined && !(bias && (fixed || alpha === 1));
  if (!rest) return [{ ...made, ...shell, tree: plain }];
  const added =
    c.constant?.size === 1
      ? constant(c.constant.numbers()[0]! * beta)
      : op('mul', [low.tree(c), constant(beta)]);
  return [{ ...shell, tree: op('add', [plain, beta === 1 && added.kind === 'op' ? added.args[0]! : added]) }];
};

/** Products of matrices. */
export const MATMUL = { MatMul: matMul, Gemm: gemmRow } as const satisfies Record<string, Row>;
