import type { PruneRule, TraceSite } from '../rule.ts';
import type { Axis } from '../terms.ts';

/** The axes of inputs that are broadcast together: aligned from the right, axes of size one stretch. */
export function broadcastAxes(site: TraceSite, inputs: readonly number[], rank: number, drop = 0): Axis[] {
  const shapes = inputs.map((i) => site.shape(i).slice(0, site.shape(i).length - drop));
  return Array.from({ length: rank }, (_, at) => {
    let axis: Axis = `is of size one at ${site.label}`;
    let found = false;
    for (const [n, shape] of shapes.entries()) {
      const own = shape.length - rank + at;
      if (own < 0 || shape[own] === 1) continue;
      const next = site.axes(inputs[n]!)[own]!;
      if (found) site.tie(axis, next);
      if (!found || typeof axis === 'string') axis = next;
      found = true;
    }
    return axis;
  });
}

/** Each output element depends on the input elements at its own place: all operands go together. */
export const ELEMENTWISE: PruneRule = {
  trace(site) {
    const inputs = site.node.inputs.map((_, i) => i).filter((i) => site.has(i));
    const rank = site.made(0).length;
    // Before opset 7 an operand could start at any axis.
    if (site.opset < 7 && inputs.some((i) => site.shape(i).length > 0 && site.shape(i).length !== rank)) {
      site.opaque('broadcasts by the rules of opset 6');
      return;
    }
    const axes = broadcastAxes(site, inputs, rank);
    for (const [output, name] of site.node.outputs.entries()) if (name !== '') site.set(output, axes);
  },
};

/** The first input alone is looked at, element by element. */
export const UNARY: PruneRule = {
  trace(site) {
    for (const [output, name] of site.node.outputs.entries()) {
      if (name !== '') site.set(output, site.axes(0));
    }
  },
};
