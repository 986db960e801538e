import { intOf } from '../attributes.ts';
import type { DType } from '../dtype.ts';
import { isFloat } from '../dtype.ts';
import type { Shape } from '../model.ts';
import { broadcastShapes } from './dims.ts';
import { broadcastElements } from './elements.ts';
import {
  type Element,
  known,
  likeInput,
  MANY,
  type OpSpec,
  perOutput,
  type ShapeRule,
  type Site,
  spec,
} from './op.ts';

type Of = (a: number, b: number, dtype: DType | undefined) => number;

/** Opsets before 7 stretch B alone, to the shape of A, from an axis on; since then both sides are broadcast. */
function shapeOf(site: Site, legacy: boolean) {
  if (legacy && site.opset < 7) return site.shape(0);
  return broadcastShapes(...site.inputs.map((input) => input?.shape));
}

function rule(of: Of | undefined, to: 'bool' | undefined, legacy: boolean): ShapeRule {
  return (site) => {
    const shape = shapeOf(site, legacy);
    return [known(to ?? site.dtype(0), shape, of === undefined ? undefined : combined(site, shape, of))];
  };
}

function combined(site: Site, shape: Shape, of: Of) {
  let result: readonly Element[] | undefined;
  for (const input of site.inputs) {
    const next = input === undefined ? undefined : broadcastElements(input, shape);
    if (next === undefined) return undefined;
    const so = result;
    result = so === undefined ? next : so.map((a, i) => both(a, next[i] ?? null, of, site));
  }
  return result;
}

/** Symbols survive where the other side is the neutral element, or where both are the same. */
function both(a: Element, b: Element, of: Of, site: Site): Element {
  if (typeof a === 'number' && typeof b === 'number') return of(a, b, site.dtype(0));
  if (site.dtype(0) === 'int64' || site.dtype(0) === 'int32') {
    if (typeof a === 'string' && typeof b === 'number' && NEUTRAL.get(of) === b) return a;
    if (typeof b === 'string' && typeof a === 'number' && NEUTRAL.get(of) === a && of !== sub && of !== div)
      return b;
    if (typeof a === 'string' && a === b && (of === max || of === min)) return a;
  }
  return null;
}

const add: Of = (a, b) => a + b;
const sub: Of = (a, b) => a - b;
const mul: Of = (a, b) => a * b;
const div: Of = (a, b, dtype) => (dtype !== undefined && isFloat(dtype) ? a / b : Math.trunc(a / b));
const max: Of = (a, b) => Math.max(a, b);
const min: Of = (a, b) => Math.min(a, b);
const NEUTRAL = new Map<Of, number>([
  [add, 0],
  [sub, 0],
  [mul, 1],
  [div, 1],
]);

interface Facts {
  readonly since: readonly number[];
  readonly of?: Of;
  readonly to?: 'bool';
  readonly count?: number;
  readonly commutative?: true;
}

/** An op of two operands that are broadcast together. */
function binary(op: string, { since, of, to, count = 1, commutative }: Facts): OpSpec {
  return spec({
    op,
    since,
    inputs: [2, 2],
    says: 'both inputs, broadcast',
    infer: rule(of, to, since[0]! < 7),
    cost: perOutput(count),
    traits: {
      elementwise: true,
      ...(to === undefined ? { sameType: true } : {}),
      ...(commutative === undefined ? {} : { commutative }),
    },
  });
}

/** An op of any number of operands that are broadcast together. */
function variadic(op: string, { since, of }: Facts): OpSpec {
  return spec({
    op,
    since,
    inputs: [1, MANY],
    says: 'all inputs, broadcast',
    infer: rule(of, undefined, false),
    cost: {
      work: '1 per output element and further input',
      rule: ({ inputs, outputs }) => ({
        macs: 0,
        other: Math.max(1, inputs.length - 1) * (outputs[0]?.size ?? 0),
      }),
    },
    traits: { elementwise: true, sameType: true, commutative: true },
  });
}

const truth =
  (compare: (a: number, b: number) => boolean): Of =>
  (a, b) =>
    compare(a, b) ? 1 : 0;

/** ONNX Mod: the sign of the divisor, or with fmod=1 of the dividend. */
const modulo = spec({
  op: 'Mod',
  since: [10, 13],
  inputs: [2, 2],
  says: 'both inputs, broadcast',
  infer: (site) => {
    const fmod = intOf(site.node, 'fmod', 0) === 1;
    return rule((a, b) => (fmod ? a % b : a - b * Math.floor(a / b)), undefined, false)(site);
  },
  cost: perOutput(1),
  traits: { elementwise: true, sameType: true },
});

/** The slope is stretched to the input, never the other way round. */
const prelu = spec({
  op: 'PRelu',
  since: [1, 6, 7, 9, 16],
  inputs: [2, 2],
  says: 'as the input',
  infer: likeInput,
  cost: perOutput(2),
  traits: { elementwise: true, sameType: true, sameShape: true },
});

/** Elementwise functions of two and more operands. */
export const BINARY = {
  Add: binary('Add', { since: [1, 6, 7, 13, 14], of: add, commutative: true }),
  And: binary('And', {
    since: [1, 7],
    of: truth((a, b) => a !== 0 && b !== 0),
    to: 'bool',
    commutative: true,
  }),
  BitShift: binary('BitShift', { since: [11] }),
  BitwiseAnd: binary('BitwiseAnd', { since: [18], commutative: true }),
  BitwiseOr: binary('BitwiseOr', { since: [18], commutative: true }),
  BitwiseXor: binary('BitwiseXor', { since: [18], commutative: true }),
  Div: binary('Div', { since: [1, 6, 7, 13, 14], of: div }),
  Equal: binary('Equal', {
    since: [1, 7, 11, 13, 19],
    of: truth((a, b) => a === b),
    to: 'bool',
    commutative: true,
  }),
  Greater: binary('Greater', { since: [1, 7, 9, 13], of: truth((a, b) => a > b), to: 'bool' }),
  GreaterOrEqual: binary('GreaterOrEqual', { since: [12, 16], of: truth((a, b) => a >= b), to: 'bool' }),
  Less: binary('Less', { since: [1, 7, 9, 13], of: truth((a, b) => a < b), to: 'bool' }),
  LessOrEqual: binary('LessOrEqual', { since: [12, 16], of: truth((a, b) => a <= b), to: 'bool' }),
  Mod: modulo,
  Mul: binary('Mul', { since: [1, 6, 7, 13, 14], of: mul, commutative: true }),
  Or: binary('Or', { since: [1, 7], of: truth((a, b) => a !== 0 || b !== 0), to: 'bool', commutative: true }),
  Pow: binary('Pow', { since: [1, 7, 12, 13, 15], of: Math.pow }),
  PRelu: prelu,
  Sub: binary('Sub', { since: [1, 6, 7, 13, 14], of: sub }),
  SwiGLU: binary('SwiGLU', { since: [28], count: 7 }),
  Xor: binary('Xor', {
    since: [1, 7],
    of: truth((a, b) => (a !== 0) !== (b !== 0)),
    to: 'bool',
    commutative: true,
  }),
  Max: variadic('Max', { since: [1, 6, 8, 12, 13], of: max }),
  Mean: variadic('Mean', { since: [1, 6, 8, 13] }),
  Min: variadic('Min', { since: [1, 6, 8, 12, 13], of: min }),
  Sum: variadic('Sum', { since: [1, 6, 8, 13], of: add }),
} as const satisfies Record<string, OpSpec>;
