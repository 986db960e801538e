import { intOf, type OpName, sizeOf, Tensor } from '../../graph/index.ts';
import type { Composer } from '../composer.ts';
import type { GradientRule, GradientSite } from './rule.ts';
import { frontAxis, zeros } from './site.ts';

/** Indices as the scattering operators take them. */
const int64 = (to: Composer, name: string) =>
  to.dtype(name) === 'int64' ? name : to.op('Cast', [name], { to: 7 });

/** Row `indices[i]` of the zeros [rows, ...] gets row i of `g` added. */
function addRows(to: Composer, indices: string, g: string, rows: number): string {
  const count = sizeOf(to.shape(indices));
  const rest = to.shape(g).slice(to.shape(indices).length);
  const list = to.reshape(int64(to, indices), [count, 1]);
  const updates = to.reshape(g, [count, ...rest]);
  return to.op('ScatterND', [zeros(to, [rows, ...rest]), list, updates], { reduction: 'add' });
}

/** A single constant index cuts out one slice: the gradient is put back between zeros. */
function padded(site: GradientSite, axis: number, index: number): string {
  const { to } = site;
  const dims = site.shape(0);
  const slice = to.reshape(
    site.gradient()!,
    dims.map((size, i) => (i === axis ? 1 : size)),
  );
  const before = dims.map((_, i) => (i === axis ? frontAxis(index, dims[axis]!) : 0));
  const after = dims.map((size, i) => (i === axis ? size - 1 - before[i]! : 0));
  return to.op('Pad', [slice, to.ints([...before, ...after])]);
}

/** Rows of a table (embeddings), or slices along any axis. What was taken twice adds up. */
const gather: GradientRule = (site) => {
  const { to } = site;
  const dims = site.shape(0);
  const axis = frontAxis(intOf(site.node, 'axis', 0), dims.length);
  const [indices, g] = [site.input(1), site.gradient()!];
  const known = site.constant(1)?.numbers() ?? to.elements(indices);
  if (known?.length === 1) return [padded(site, axis, known[0]!)];
  if (axis === 0) return [addRows(to, indices, g, dims[0]!)];
  // The gathered axis to the front and back again.
  const inner = to.shape(indices).length;
  const lead = Array.from({ length: axis }, (_, i) => i);
  const moved = Array.from({ length: inner }, (_, i) => axis + i);
  const tail = Array.from({ length: dims.length - axis - 1 }, (_, i) => axis + inner + i);
  const added = addRows(to, indices, to.transpose(g, [...moved, ...lead, ...tail]), dims[axis]!);
  const back = dims.map((_, i) => (i < axis ? i + 1 : i === axis ? 0 : i));
  return [to.transpose(added, back)];
};

/** The indices of GatherND with batch axes written out: a plain GatherND's. */
function withBatch(to: Composer, indices: string, batchAxes: number): string {
  if (batchAxes === 0) return indices;
  const dims = to.shape(indices);
  const outer = dims.slice(0, -1);
  const places = Array.from({ length: sizeOf(outer) }, (_, flat) => {
    const at: number[] = [];
    let rest = flat;
    for (let axis = outer.length - 1; axis >= 0; axis--) {
      at.unshift(rest % outer[axis]!);
      rest = Math.floor(rest / outer[axis]!);
    }
    return at.slice(0, batchAxes);
  });
  const grid = to.constant(Tensor.int64([...outer, batchAxes], places.flat()));
  return to.op('Concat', [grid, indices], { axis: -1 });
}

/** Elements by their places. */
export const GATHER = {
  Gather: gather,
  GatherElements: (site) => {
    const { to } = site;
    const axis = intOf(site.node, 'axis', 0);
    const inputs = [zeros(to, site.shape(0)), site.input(1), site.gradient()!];
    return [to.op('ScatterElements', inputs, { axis, reduction: 'add' })];
  },
  GatherND: (site) => {
    const { to } = site;
    const indices = withBatch(to, int64(to, site.input(1)), intOf(site.node, 'batch_dims', 0));
    const inputs = [zeros(to, site.shape(0)), indices, site.gradient()!];
    return [to.op('ScatterND', inputs, { reduction: 'add' })];
  },
} as const satisfies Partial<Record<OpName, GradientRule>>;
