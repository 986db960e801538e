import { type OpName, stringOf } from '../../graph/index.ts';
import type { GradientRule, GradientSite } from './rule.ts';
import { refuse } from './site.ts';

/** One letter an axis. */
interface Equation {
  readonly operands: readonly string[];
  readonly result: string;
}

/** Letters for the axes under an ellipsis, counted from its end; the equation has none of them. */
const SPARE = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** Reads the equation: an ellipsis gets letters of its own, a result that is not given the letters that stand once. */
function equationOf(site: GradientSite): Equation {
  const text = stringOf(site.node, 'equation', '').replaceAll(/\s/g, '');
  const [left = '', right] = text.split('->');
  const spare = [...SPARE].filter((letter) => !text.includes(letter));
  let longest = 0;
  const operands = left.split(',').map((term, i) => {
    const under = site.shape(i).length - term.replace('...', '').length;
    if (term.includes('...')) longest = Math.max(longest, under);
    return term.replace('...', () => spare.slice(0, under).reverse().join(''));
  });
  const ellipsis = spare.slice(0, longest).reverse().join('');
  if (right !== undefined) return { operands, result: right.replace('...', ellipsis) };
  const letters = [...operands.join('')];
  const once = letters.filter((letter) => letters.indexOf(letter) === letters.lastIndexOf(letter));
  const alone = once.filter((letter) => !ellipsis.includes(letter)).sort();
  return { operands, result: ellipsis + alone.join('') };
}

/**
 * The gradient of an operand is the product of g and the other operands, summed to the operand's own letters. A letter that
 * stands in that operand alone was summed out by itself: its gradient is the same along it.
 */
const einsum: GradientRule = (site) => {
  const { to } = site;
  const { operands, result } = equationOf(site);
  const terms = [...operands, result];
  if (terms.some((term) => new Set(term).size !== term.length))
    refuse(site, 'with a letter twice in one operand');
  return operands.map((term, i) => {
    if (!site.wants(i)) return undefined;
    const others = operands.filter((_, k) => k !== i);
    const shared = [...term].filter((letter) => (result + others.join('')).includes(letter));
    const inputs = [site.gradient()!, ...others.map((_, k) => site.input(k < i ? k : k + 1))];
    const equation = `${[result, ...others].join(',')}->${shared.join('')}`;
    const found =
      inputs.length === 1 && result === shared.join('') ? inputs[0]! : to.op('Einsum', inputs, { equation });
    // Along letters of its own, and where the operand was broadcast along a letter: repeated or summed back.
    const full = to.shape(found);
    const kept = [...term].map((letter) => (shared.includes(letter) ? full[shared.indexOf(letter)]! : 1));
    const wide = [...term].map((letter, axis) =>
      shared.includes(letter) ? kept[axis]! : site.shape(i)[axis]!,
    );
    return to.unbroadcast(to.expand(to.reshape(found, kept), wide), site.shape(i));
  });
};

/** Products and sums over named axes. */
export const EINSUM = { Einsum: einsum } as const satisfies Partial<Record<OpName, GradientRule>>;
