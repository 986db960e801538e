import { intOf, type OpName } from '../../graph/index.ts';
import type { GradientRule, GradientSite } from './rule.ts';
import { masked, operand, refuse } from './site.ts';

/**
 * The extremum goes to the operand that is it. Of operands that are equal the first takes all, so that the gradients
 * always add up to that of the output.
 */
const extremum: GradientRule = (site) => {
  const { to, node } = site;
  let left = site.gradient()!;
  const last = node.inputs.findLastIndex((_, i) => site.wants(i));
  return node.inputs.map((input, i) => {
    if (i > last) return undefined;
    const part = masked(to, to.op('Equal', [input, site.output()]), left);
    if (i < last) left = to.op('Sub', [left, part]);
    return operand(site, i, () => part);
  });
};

const power: GradientRule = (site) => {
  const { to } = site;
  const [g, x, y] = [site.gradient()!, site.input(0), site.output()];
  // The exponent may be a whole number; all else is float32.
  const exponent =
    to.dtype(site.input(1)) === to.dtype(x) ? site.input(1) : to.op('Cast', [site.input(1)], { to: 1 });
  return [
    operand(site, 0, () => to.op('Mul', [g, slopeOfPower(site, x, exponent)])),
    operand(site, 1, () => to.op('Mul', [to.op('Mul', [g, y]), to.op('Log', [x])])),
  ];
};

/** p x^(p-1); squares and roots, as norms write them, without a call of pow per element. */
function slopeOfPower(site: GradientSite, x: string, exponent: string): string {
  const { to } = site;
  const constant = site.constant(1);
  const p = constant?.size === 1 ? constant.numbers()[0] : undefined;
  if (p === 1) return to.float(1);
  if (p === 2) return to.op('Mul', [x, to.float(2)]);
  if (p === 3) return to.op('Mul', [to.op('Mul', [x, x]), to.float(3)]);
  if (p === 0.5) return to.op('Div', [to.float(0.5), to.op('Sqrt', [x])]);
  if (p === -1) return to.op('Neg', [to.op('Reciprocal', [to.op('Mul', [x, x])])]);
  const less = p === undefined ? to.op('Sub', [exponent, to.float(1)]) : to.float(p - 1);
  return to.op('Mul', [to.op('Pow', [x, less]), exponent]);
}

/** With broadcasting, as numpy does it. */
export const ARITHMETIC = {
  Add: (site) => {
    const g = site.gradient()!;
    return [operand(site, 0, () => g), operand(site, 1, () => g)];
  },
  Sub: (site) => {
    const g = site.gradient()!;
    // Negated after the sum: the operand may be much smaller.
    const second = operand(site, 1, () => g);
    return [operand(site, 0, () => g), second && site.to.op('Neg', [second])];
  },
  Mul: (site) => {
    const g = site.gradient()!;
    return [
      operand(site, 0, () => site.to.op('Mul', [g, site.input(1)])),
      operand(site, 1, () => site.to.op('Mul', [g, site.input(0)])),
    ];
  },
  Div: (site) => {
    const { to } = site;
    const share = to.op('Div', [site.gradient()!, site.input(1)]);
    const second = operand(site, 1, () => to.op('Mul', [share, site.output()]));
    return [operand(site, 0, () => share), second && to.op('Neg', [second])];
  },
  Pow: power,
  Min: extremum,
  Max: extremum,
  Sum: (site) => site.node.inputs.map((_, i) => operand(site, i, () => site.gradient()!)),
  Mean: (site) => {
    const { inputs } = site.node;
    const share = site.to.op('Mul', [site.gradient()!, site.to.float(1 / inputs.length)]);
    return inputs.map((_, i) => operand(site, i, () => share));
  },
  // x - trunc(x / m) m, with the sign of x; steps are flat.
  Mod: (site) => {
    if (intOf(site.node, 'fmod', 0) !== 1) refuse(site, 'of floats without fmod');
    const { to } = site;
    const g = site.gradient()!;
    const wraps = () => {
      const ratio = to.op('Div', [site.input(0), site.input(1)]);
      const whole = to.op('Mul', [to.op('Floor', [to.op('Abs', [ratio])]), to.op('Sign', [ratio])]);
      return to.op('Mul', [g, to.op('Neg', [whole])]);
    };
    return [operand(site, 0, () => g), operand(site, 1, wraps)];
  },
} as const satisfies Partial<Record<OpName, GradientRule>>;
