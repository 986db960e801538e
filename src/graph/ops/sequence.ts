import { graphOf, intOf } from '../attributes.ts';
import type { Dim } from '../model.ts';
import { dtypeAttribute } from './constant.ts';
import { declaredOf } from './declared.ts';
import { axisIn } from './dims.ts';
import { either } from './merge.ts';
import { type Known, known, MANY, NOTHING, type OpSpec, type ShapeRule, type Site, spec } from './op.ts';

const sequenceOf = (of: Known): Known => ({ shape: undefined, element: { kind: 'sequence', of: plain(of) } });
const optionalOf = (of: Known): Known => ({ shape: undefined, element: { kind: 'optional', of } });

/** Elements of a sequence are not followed by value. */
const plain = (of: Known): Known => (of.element === undefined ? known(of.dtype, of.shape) : of);

const elementOf = (site: Site, i: number): Known => site.at(i).element?.of ?? NOTHING;

const construct: ShapeRule = (site) => [
  sequenceOf(site.inputs.map((input) => input ?? NOTHING).reduce(either)),
];

const insert: ShapeRule = (site) => {
  const old = elementOf(site, 0);
  // An empty sequence says only its dtype: what is put in may have any shape.
  return [sequenceOf(either(old, { ...site.at(1), dtype: site.dtype(1) ?? old.dtype }))];
};

const splitToSequence: ShapeRule = (site) => {
  const { dtype, shape } = site.at(0);
  if (shape === undefined) return [sequenceOf(known(dtype, undefined))];
  const axis = axisIn(intOf(site.node, 'axis', 0), shape.length);
  const keep = site.has(1) || intOf(site.node, 'keepdims', 1) !== 0;
  if (!keep)
    return [
      sequenceOf(
        known(
          dtype,
          shape.filter((_, i) => i !== axis),
        ),
      ),
    ];
  const size: Dim = site.has(1) ? partSize(site, shape[axis]!) : 1;
  return [
    sequenceOf(
      known(
        dtype,
        shape.map((dim, i) => (i === axis ? size : dim)),
      ),
    ),
  ];
};

/** A scalar split that divides the axis makes equal parts; of a list of sizes, all must be equal to be known. */
function partSize(site: Site, dim: Dim): Dim {
  const parts = site.numbers(1);
  if (parts === undefined || parts.length === 0) return null;
  if (parts.some((part) => part !== parts[0])) return null;
  const whole = site.shape(1)?.length !== 0 || (typeof dim === 'number' && dim % parts[0]! === 0);
  return whole ? parts[0]! : null;
}

const concat: ShapeRule = (site) => {
  const of = elementOf(site, 0);
  if (of.shape === undefined) return [known(of.dtype, undefined)];
  const fresh = intOf(site.node, 'new_axis', 0) === 1;
  const rank = of.shape.length + (fresh ? 1 : 0);
  const axis = axisIn(intOf(site.node, 'axis', 0), rank);
  const dims = fresh
    ? [...of.shape.slice(0, axis), null, ...of.shape.slice(axis)]
    : of.shape.map((dim, i) => (i === axis ? null : dim));
  return [known(of.dtype, dims)];
};

const map: ShapeRule = (site) => {
  const body = graphOf(site.node, 'body');
  if (body === undefined) return [];
  const inputs = site.inputs.map((input) =>
    input?.element?.kind === 'sequence' ? input.element.of : (input ?? NOTHING),
  );
  return site.inner(body, inputs).map(sequenceOf);
};

const optional: ShapeRule = (site) => {
  const declared = site.node.attributes.get('type');
  if (site.has(0)) return [optionalOf(site.at(0))];
  return [optionalOf(declared?.type === 'type_proto' ? declaredOf(declared.value) : NOTHING)];
};

const get: ShapeRule = (site) => {
  const value = site.at(0);
  return [value.element?.kind === 'optional' ? value.element.of : value];
};

const since11 = (op: string, inputs: readonly [number, number], says: string, infer: ShapeRule) =>
  spec({ op, since: [11], inputs, says, infer });

/** Sequences and optionals. */
export const SEQUENCE = {
  SequenceConstruct: since11(
    'SequenceConstruct',
    [1, MANY],
    'sequence of what the inputs agree on',
    construct,
  ),
  SequenceEmpty: since11('SequenceEmpty', [0, 0], 'sequence', (site) => [
    sequenceOf(known(dtypeAttribute(site.node, 'dtype', 'float32'), undefined)),
  ]),
  SequenceInsert: since11('SequenceInsert', [2, 3], 'sequence of what both agree on', insert),
  SequenceErase: since11('SequenceErase', [1, 2], 'as the input', (site) => [site.at(0)]),
  SequenceAt: since11('SequenceAt', [2, 2], 'an element', (site) => [elementOf(site, 0)]),
  SequenceLength: since11('SequenceLength', [1, 1], 'scalar', () => [known('int64', [])]),
  ConcatFromSequence: since11('ConcatFromSequence', [1, 1], 'unknown along axis', concat),
  SplitToSequence: spec({
    op: 'SplitToSequence',
    since: [11, 24],
    inputs: [1, 2],
    says: 'sequence of the parts along axis',
    infer: splitToSequence,
  }),
  SequenceMap: spec({
    op: 'SequenceMap',
    since: [17],
    inputs: [1, MANY],
    outputs: [1, MANY],
    says: 'sequences of what the body makes',
    infer: map,
    nested: (node) => {
      const body = graphOf(node, 'body');
      return { graphs: body === undefined ? [] : [body], times: null };
    },
  }),
  Optional: spec({
    op: 'Optional',
    since: [15],
    inputs: [0, 1],
    says: 'optional of the input',
    infer: optional,
  }),
  OptionalGetElement: spec({
    op: 'OptionalGetElement',
    since: [15, 18],
    inputs: [1, 1],
    says: 'the element',
    infer: get,
  }),
  OptionalHasElement: spec({
    op: 'OptionalHasElement',
    since: [15, 18],
    inputs: [0, 1],
    says: 'scalar',
    infer: () => [known('bool', [])],
  }),
} as const satisfies Record<string, OpSpec>;
