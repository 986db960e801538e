import { graphOf, intOf, intsOf } from '../attributes.ts';
import type { Dim } from '../model.ts';
import { axisIn } from './dims.ts';
import { either } from './merge.ts';
import { type Known, known, MANY, type OpSpec, type ShapeRule, spec } from './op.ts';

const chosen: ShapeRule = (site) => {
  const condition = site.scalar(0);
  const branch = (name: string) => {
    const graph = graphOf(site.node, name);
    return graph === undefined ? [] : site.inner(graph, []);
  };
  // A branch that is never taken may well not fit.
  if (condition !== undefined) return branch(condition !== 0 ? 'then_branch' : 'else_branch');
  const no = branch('else_branch');
  return branch('then_branch').map((out, i) => either(out, no[i] ?? { shape: undefined }));
};

const ROUNDS = 5;

/** Carried values may change their shape from round to round: what differs after one round is unknown. */
const loop: ShapeRule = (site) => {
  const body = graphOf(site.node, 'body');
  if (body === undefined) return [];
  let carried = site.inputs.slice(2).map((input) => forget(input ?? { shape: undefined }));
  const count = site.scalar(0);
  const step = known('int64', []);
  let outputs: Known[] = [];
  // Each round can only lose knowledge (a dimension, then the rank). What has not settled after a few is given up.
  for (let round = 0; round <= ROUNDS; round++) {
    outputs = site.inner(body, [step, known('bool', []), ...carried]);
    const merged = carried.map((before, i) => forget(either(before, outputs[i + 1] ?? { shape: undefined })));
    if (JSON.stringify(merged) === JSON.stringify(carried)) break;
    carried = round < ROUNDS - 1 ? merged : merged.map(({ dtype }) => known(dtype, undefined));
  }
  const stops = (outputs[0]?.elements?.[0] ?? null) === 1;
  const rounds: Dim = count !== undefined && stops ? Math.max(0, count) : null;
  const scans = outputs
    .slice(1 + carried.length)
    .map(({ dtype, shape }) => known(dtype, shape && [rounds, ...shape]));
  return [...carried, ...scans];
};

/** The same without what is known of the elements. */
function forget(value: Known): Known {
  return value.element === undefined ? known(value.dtype, value.shape) : value;
}

const scan: ShapeRule = (site) => {
  const body = graphOf(site.node, 'body');
  if (body === undefined) return [];
  const scanned = intOf(site.node, 'num_scan_inputs', 0);
  // Opset 8 has sequence_lens in front and a batch axis on everything.
  const early = site.opset < 9;
  const inputs = site.inputs.slice(early ? 1 : 0).map((input) => forget(input ?? { shape: undefined }));
  const states = inputs.slice(0, inputs.length - scanned);
  const axes = intsOf(site.node, 'scan_input_axes') ?? [];
  let length: Dim = null;
  let batch: Dim = null;
  const fed = inputs.map((input, i) => {
    if (input.shape === undefined) return input;
    const unbatched = early ? input.shape.slice(1) : input.shape;
    if (early) batch = input.shape[0] ?? null;
    if (i < states.length) return known(input.dtype, unbatched);
    const axis = axisIn(axes[i - states.length] ?? 0, unbatched.length);
    length ??= unbatched[axis] ?? null;
    return known(
      input.dtype,
      unbatched.filter((_, at) => at !== axis),
    );
  });
  const outputs = site.inner(body, fed);
  const outAxes = intsOf(site.node, 'scan_output_axes') ?? [];
  return outputs.map((out, i) => {
    if (i < states.length) return early ? states[i]! : known(out.dtype, states[i]?.shape ?? out.shape);
    if (out.shape === undefined) return known(out.dtype, undefined);
    const rank = out.shape.length + 1;
    const axis = axisIn(outAxes[i - states.length] ?? 0, rank);
    const dims = [...out.shape.slice(0, axis), length, ...out.shape.slice(axis)];
    return known(out.dtype, early ? [batch, ...dims] : dims);
  });
};

/** Ops that run nested graphs. Their cost is that of the nested nodes (see cost.ts). */
export const CONTROL = {
  If: spec({
    op: 'If',
    since: [1, 11, 13, 16, 19, 21, 23, 24, 25],
    inputs: [1, 1],
    outputs: [1, MANY],
    says: 'what both branches agree on',
    infer: chosen,
    nested: (node, inputs) => {
      const names = ['then_branch', 'else_branch'];
      const condition = inputs[0]?.elements?.[0];
      const taken = typeof condition === 'number' ? names.slice(condition !== 0 ? 0 : 1).slice(0, 1) : names;
      return {
        graphs: taken.map((name) => graphOf(node, name)).filter((graph) => graph !== undefined),
        times: 1,
      };
    },
  }),
  Loop: spec({
    op: 'Loop',
    since: [1, 11, 13, 16, 19, 21, 23, 24, 25],
    inputs: [2, MANY],
    outputs: [1, MANY],
    says: 'what stays over the rounds; scans get the trip count in front',
    infer: loop,
    nested: (node, inputs) => {
      const body = graphOf(node, 'body');
      const trips = inputs[0]?.elements?.[0];
      return { graphs: body === undefined ? [] : [body], times: typeof trips === 'number' ? trips : null };
    },
  }),
  Scan: spec({
    op: 'Scan',
    since: [8, 9, 11, 16, 19, 21, 23, 24, 25],
    inputs: [1, MANY],
    outputs: [1, MANY],
    says: 'states as they come; scans get the length at their axis',
    infer: scan,
    nested: (node, inputs) => {
      const body = graphOf(node, 'body');
      const first = inputs.length - intOf(node, 'num_scan_inputs', 0);
      const axis = intsOf(node, 'scan_input_axes')?.[0] ?? 0;
      return { graphs: body === undefined ? [] : [body], times: inputs[first]?.shape?.at(axis) ?? null };
    },
  }),
} as const satisfies Record<string, OpSpec>;
