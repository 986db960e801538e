import { fail } from '../../base/index.ts';
import { stringOf } from '../attributes.ts';
import type { Dim, Shape } from '../model.ts';
import { broadcastShapes, shapeText } from './dims.ts';
import { type CostSite, known, MANY, type OpSpec, type ShapeRule, spec } from './op.ts';

interface Equation {
  readonly terms: readonly string[];
  readonly result: string;
}

/** "ij,jk->ik"; without an arrow the result has the letters that come once, in order, after the ellipsis. */
function parsed(equation: string): Equation {
  const [left = '', right] = equation.replace(/\s/g, '').split('->');
  const terms = left.split(',');
  if (right !== undefined) return { terms, result: right };
  const letters = [...left.replace(/[^A-Za-z]/g, '')];
  const once = letters.filter((letter) => letters.indexOf(letter) === letters.lastIndexOf(letter)).sort();
  return { terms, result: (left.includes('...') ? '...' : '') + once.join('') };
}

/** The size of each letter, and the shape of the ellipsis. */
function bound(equation: Equation, shapes: readonly Shape[]): { sizes: Map<string, Dim>; dots: Shape } {
  const sizes = new Map<string, Dim>();
  let dots: Shape = [];
  for (const [i, term] of equation.terms.entries()) {
    const shape = shapes[i];
    const [front = '', back] = term.split('...');
    const named = front.length + (back?.length ?? 0);
    if (shape === undefined) {
      if (back !== undefined) dots = undefined;
      continue;
    }
    if (back === undefined ? shape.length !== named : shape.length < named) {
      throw fail('SHAPE_MISMATCH', `${shapeText(shape)} does not fit the term "${term}"`);
    }
    const middle = shape.length - (back?.length ?? 0);
    if (back !== undefined) dots = broadcastShapes(dots, shape.slice(front.length, middle));
    const letters = [...front, ...(back ?? '')];
    const dims = [...shape.slice(0, front.length), ...(back === undefined ? [] : shape.slice(middle))];
    for (const [at, letter] of letters.entries()) {
      const size = broadcastShapes(
        [sizes.get(letter) ?? (sizes.has(letter) ? null : 1)],
        [dims[at] ?? null],
      )!;
      sizes.set(letter, size[0] ?? null);
    }
  }
  return { sizes, dots };
}

const einsum: ShapeRule = (site) => {
  const equation = parsed(stringOf(site.node, 'equation', ''));
  const { sizes, dots } = bound(
    equation,
    site.inputs.map((input) => input?.shape),
  );
  const [front = '', back] = equation.result.split('...');
  if (back !== undefined && dots === undefined) return [known(site.dtype(0), undefined)];
  const dim = (letter: string): Dim => sizes.get(letter) ?? null;
  const dims = [
    ...[...front].map(dim),
    ...(back === undefined ? [] : (dots ?? [])),
    ...[...(back ?? '')].map(dim),
  ];
  return [known(site.dtype(0), dims)];
};

/** One multiplication and addition for each combination of all letters: what a plain nest of loops does. */
function work({ node, inputs }: CostSite) {
  const equation = parsed(stringOf(node, 'equation', ''));
  const { sizes, dots } = bound(
    equation,
    inputs.map((input) => input?.dims),
  );
  const all = [...sizes.values(), ...(dots ?? [])].reduce<number>(
    (product, size) => product * Number(size),
    1,
  );
  return equation.terms.length > 1
    ? { macs: all * (equation.terms.length - 1), other: 0 }
    : { macs: 0, other: all };
}

export const EINSUM = {
  Einsum: spec({
    op: 'Einsum',
    since: [12],
    inputs: [1, MANY],
    says: 'the letters right of the arrow',
    infer: einsum,
    cost: { work: 'one MAC per combination of letters', rule: work },
    traits: { sameType: true },
  }),
} as const satisfies Record<string, OpSpec>;
