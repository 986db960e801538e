import {
  capturesOf,
  constantOf,
  DTYPES,
  type GraphIndex,
  type Inference,
  indexGraph,
  inferShapes,
  isFloat,
  labelOf,
  type Model,
  type Node,
  type Shape,
  type Tensor,
} from '../../graph/index.ts';
import type { TraceSite } from './rule.ts';
import { pruneRuleOf } from './rules/index.ts';
import { type Reads, readsThrough } from './shape-reads.ts';
import { type Axis, Terms } from './terms.ts';

/** What tracing a model has found: for each value and each constant the terms of its axes. */
export interface Traced {
  readonly terms: Terms;
  readonly axes: ReadonlyMap<string, readonly Axis[]>;
  readonly shapes: Inference;
}

/** Follows all axes of the main graph through its nodes; see `Terms`. */
export function traceAxes(model: Model): Traced {
  return new Tracer(model).run();
}

class Tracer {
  readonly terms = new Terms();
  readonly axes = new Map<string, readonly Axis[]>();
  readonly reads = new Map<string, Reads>();
  readonly shapes: Inference;
  readonly model: Model;
  readonly #index: GraphIndex;

  constructor(model: Model) {
    this.model = model;
    this.#index = indexGraph(model.graph);
    this.shapes = inferShapes(model, { strict: false });
  }

  run(): Traced {
    const { graph } = this.model;
    for (const { name } of graph.inputs) this.#fix(name, `belongs to the input "${name}"`);
    for (const { name } of graph.sparseInitializers) this.#fix(name, 'is stored sparsely');
    for (const node of graph.nodes) {
      if (!(node.op === 'Constant' && this.constant(node.outputs[0] ?? '') !== undefined)) this.#node(node);
    }
    for (const { name } of graph.outputs) {
      for (const axis of this.axesOf(name) ?? []) this.pin(axis, `reaches the output "${name}"`);
    }
    return this;
  }

  constant(name: string): Tensor | undefined {
    return constantOf(this.model.graph, name, this.#index);
  }

  shapeOf(name: string): Shape {
    return this.shapes.get(name)?.shape ?? this.constant(name)?.dims;
  }

  /** The axes of a value; undefined where not even the rank is known. Weights get theirs when first asked for. */
  axesOf(name: string): readonly Axis[] | undefined {
    const known = this.axes.get(name);
    if (known !== undefined) return known;
    const tensor = this.constant(name);
    if (tensor === undefined) return undefined;
    const whole = isFloat(tensor.dtype) && DTYPES[tensor.dtype].bits >= 8;
    const axes = tensor.dims.map((dim): Axis => {
      if (dim <= 1) return `is of size one in "${name}"`;
      return whole ? this.terms.fresh(dim) : `belongs to the ${tensor.dtype} constant "${name}"`;
    });
    this.axes.set(name, axes);
    return axes;
  }

  pin(axis: Axis, why: string): void {
    if (typeof axis !== 'string') for (const term of axis) this.terms.pin(term, why);
  }

  tie(a: Axis, b: Axis, label: string): void {
    if (a === b) return;
    if (typeof a === 'string' || typeof b === 'string') {
      const why = typeof a === 'string' ? a : (b as string);
      this.pin(a, why);
      this.pin(b, why);
    } else if (a.length !== b.length) {
      for (const axis of [a, b]) this.pin(axis, `meets another size at ${label}`);
    } else {
      const why = `is grouped in two ways at ${label}`;
      for (let i = 0; i < a.length; i++) this.terms.equate(a[i]!, b[i]!, why);
    }
  }

  product(axes: readonly { readonly axis: Axis; readonly size: number }[]): Axis {
    const free = axes.filter(({ axis }) => typeof axis !== 'string');
    if (free.length === 0) return (axes[0]?.axis as string) ?? 'is of size one';
    const size = axes.reduce((product, one) => product * one.size, 1);
    const made = new Int32Array(size);
    for (let i = 0; i < size; i++) {
      const factors: number[] = [];
      let rest = i;
      for (let at = axes.length - 1; at >= 0; at--) {
        const { axis, size: own } = axes[at]!;
        if (typeof axis !== 'string') factors.unshift(axis[rest % own]!);
        rest = Math.floor(rest / own);
      }
      made[i] = this.terms.product(factors);
    }
    return made;
  }

  set(name: string, axes: readonly Axis[]): void {
    const shape = this.shapeOf(name);
    const fits = axes.map((axis, i): Axis => {
      if (typeof axis === 'string' || axis.length === shape?.[i]) return axis;
      const why = `does not have the size that "${name}" should have`;
      this.pin(axis, why);
      return why;
    });
    this.axes.set(name, fits);
  }

  opaque(node: Node, why: string): void {
    for (const name of node.inputs) {
      for (const axis of (name && this.axesOf(name)) || []) this.pin(axis, why);
    }
    for (const name of node.outputs) if (name !== '') this.#fix(name, why);
  }

  #fix(name: string, why: string): void {
    this.axes.set(name, this.shapeOf(name)?.map(() => why) ?? []);
  }

  #node(node: Node): void {
    const label = labelOf(node);
    for (const name of capturesOf(node)) {
      for (const axis of this.axesOf(name) ?? []) this.pin(axis, `is read inside of ${label}`);
    }
    readsThrough(node, this);
    const rule = pruneRuleOf(node);
    const ranked = [...node.inputs, ...node.outputs].every(
      (name) => name === '' || this.shapeOf(name) !== undefined,
    );
    if (node.op === 'Shape' || node.op === 'Size') {
      for (const name of node.outputs) this.#fix(name, `is a shape`);
    } else if (rule === undefined)
      this.opaque(node, `is read by ${node.op} (${label}), which pruning does not know`);
    else if (!ranked) this.opaque(node, `is read by ${label}, where a shape is not known`);
    else rule.trace(this.#site(node, label));
    for (const name of node.outputs) {
      if (name !== '' && !this.axes.has(name)) this.#fix(name, `is made by ${label}`);
    }
  }

  #site(node: Node, label: string): TraceSite {
    const input = (i: number) => node.inputs[i] ?? '';
    return {
      node,
      label,
      opset: this.model.opsets.get(node.domain) ?? 1,
      has: (i) => input(i) !== '',
      shape: (i) => this.shapeOf(input(i)) ?? [],
      made: (i) => this.shapeOf(node.outputs[i] ?? '') ?? [],
      axes: (i) => this.axesOf(input(i)) ?? [],
      constant: (i) => this.constant(input(i)),
      reads: (i) => this.reads.get(input(i)),
      set: (output, axes) => this.set(node.outputs[output]!, axes),
      fresh: (size) => this.terms.fresh(size),
      product: (axes) => this.product(axes),
      tie: (a, b) => this.tie(a, b, label),
      pin: (axis, why) => this.pin(axis, why),
      mix: (axis, why) => {
        if (typeof axis !== 'string') for (const term of axis) this.terms.mix(term, why);
      },
      opaque: (why) => this.opaque(node, `is read by ${label}, which ${why}`),
    };
  }
}
