import { floatOf, intOf, type OpName } from '../../graph/index.ts';
import type { Composer } from '../composer.ts';
import type { GradientRule, GradientSite } from './rule.ts';
import { operand, refuse } from './site.ts';

/** A factor of a product of matrices, to be read with its last two axes exchanged or not. */
interface Factor {
  readonly name: string;
  readonly turned: boolean;
}

const plain = (name: string): Factor => ({ name, turned: false });
const turn = ({ name, turned }: Factor): Factor => ({ name, turned: !turned });

/** alpha A B, stacks of matrices broadcast. Transpositions are done while the kernel packs its panels. */
function product(to: Composer, a: Factor, b: Factor, alpha = 1): string {
  if (!a.turned && !b.turned && alpha === 1) return to.op('MatMul', [a.name, b.name]);
  const given = { transA: a.turned ? 1 : 0, transB: b.turned ? 1 : 0, alpha };
  const flat = to.shape(a.name).length === 2 && to.shape(b.name).length === 2;
  if (flat) return to.op('Gemm', [a.name, b.name], given);
  return to.op('FusedMatMul', [a.name, b.name], given, 'com.microsoft');
}

/** [..., rows, columns] as one matrix of all rows. */
function stacked(to: Composer, name: string): string {
  const dims = to.shape(name);
  const columns = dims.at(-1)!;
  return to.reshape(name, [dims.slice(0, -1).reduce((a, b) => a * b, 1), columns]);
}

/**
 * dA and dB of Y = alpha A B with matrices of at least two axes, each in the shape of its operand: g B^T and A^T g, turned
 * where the operand was. A plain matrix that multiplies a stack is one product over all rows of the stack.
 */
function matrixGradients(
  site: GradientSite,
  g: string,
  a: Factor,
  b: Factor,
  alpha: number,
): [string | undefined, string | undefined] {
  const { to } = site;
  const shared = to.shape(b.name).length === 2 && to.shape(a.name).length > 2 && !a.turned;
  const dA = () => {
    if (!shared)
      return a.turned ? product(to, b, turn(plain(g)), alpha) : product(to, plain(g), turn(b), alpha);
    const rows = product(to, plain(stacked(to, g)), turn(b), alpha);
    return to.reshape(rows, [...to.shape(g).slice(0, -1), to.shape(rows)[1]!]);
  };
  const dB = () => {
    const [rows, own] = shared ? [stacked(to, g), plain(stacked(to, a.name))] : [g, a];
    return b.turned ? product(to, turn(plain(rows)), own, alpha) : product(to, turn(own), plain(rows), alpha);
  };
  const back = (i: number, name: string, make: () => string) =>
    site.wants(i) ? to.unbroadcast(make(), to.shape(name)) : undefined;
  return [back(0, a.name, dA), back(1, b.name, dB)];
}

/** numpy.matmul: a vector on the left is a row, one on the right a column, and the axis of 1 is gone from the result. */
const matMul: GradientRule = (site) => {
  const { to } = site;
  const [da, db] = [site.shape(0), site.shape(1)];
  const row = da.length === 1 ? to.reshape(site.input(0), [1, ...da]) : site.input(0);
  const column = db.length === 1 ? to.reshape(site.input(1), [...db, 1]) : site.input(1);
  const dims = [...to.shape(site.output())];
  if (db.length === 1) dims.push(1);
  if (da.length === 1) dims.splice(dims.length - 1, 0, 1);
  const g = to.reshape(site.gradient()!, dims);
  const [a, b] = matrixGradients(site, g, plain(row), plain(column), 1);
  return [a && to.reshape(a, da), b && to.reshape(b, db)];
};

const factors = (site: GradientSite): [Factor, Factor] => [
  { name: site.input(0), turned: intOf(site.node, 'transA', 0) !== 0 },
  { name: site.input(1), turned: intOf(site.node, 'transB', 0) !== 0 },
];

/** Products of matrices. */
export const MATMUL = {
  MatMul: matMul,
  Gemm: (site) => {
    const { to, node } = site;
    const g = site.gradient()!;
    const beta = floatOf(node, 'beta', 1);
    const c = operand(site, 2, () => g);
    return [
      ...matrixGradients(site, g, ...factors(site), floatOf(node, 'alpha', 1)),
      c === undefined || beta === 1 ? c : to.op('Mul', [c, to.float(beta)]),
    ];
  },
  'com.microsoft:FusedMatMul': (site) => {
    const turnsBatch = intOf(site.node, 'transBatchA', 0) + intOf(site.node, 'transBatchB', 0) > 0;
    const ranks = Math.min(site.shape(0).length, site.shape(1).length);
    if (turnsBatch || ranks < 2) refuse(site, 'with transBatch or of vectors');
    return matrixGradients(site, site.gradient()!, ...factors(site), floatOf(site.node, 'alpha', 1));
  },
} as const satisfies Partial<Record<OpName, GradientRule>>;
