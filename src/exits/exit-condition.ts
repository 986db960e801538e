import { fail } from '../base/index.ts';
import {
  type Attribute,
  attr,
  type Dim,
  type DType,
  makeNode,
  type Node,
  type Shape,
  Tensor,
} from '../graph/index.ts';
import type { ExitRule } from '../staged/index.ts';
import type { Names } from './renaming.ts';

/** What the condition is made of: nodes, constants, and the names of its results. */
export interface Condition {
  readonly nodes: readonly Node[];
  readonly constants: ReadonlyMap<string, Tensor>;
  /** bool, one element: whether all samples may leave. */
  readonly leaves: string;
  /** float32 [samples]: what was compared, one number a sample. */
  readonly perSample: string;
}

/** Where the scores are, and in which opset to speak. */
export interface ConditionSite {
  readonly scores: string;
  readonly dtype: DType;
  readonly shape: Shape;
  /** 1 where the model takes one sample a call: then nothing is done for batches. */
  readonly batch: Dim;
  /** 11 or newer. */
  readonly opset: number;
  readonly names: Names;
}

/** As in staged/confidence.ts: the smallest probability whose logarithm is taken, and what float32 can tell from 1. */
const LEAST = 1e-30;
const NEAREST = 1e-7;

/**
 * The rule of an exit in plain operators: true where the least confidence of the samples of the call reaches the threshold. A score that
 * is NaN or infinite lets nobody leave. Computed in float32. Throws STAGES_INVALID where the number of classes is not known.
 */
export function exitCondition(rule: ExitRule, site: ConditionSite): Condition {
  const writer = new Writer(site);
  const classes = classesOf(site);
  let scores = site.dtype === 'float32' ? site.scores : writer.op('Cast', [site.scores], { to: attr.int(1) });
  if (site.shape?.length !== 2 || typeof site.shape[1] !== 'number' || site.batch === 1) {
    if (!(site.shape?.length === 2 && site.shape[1] === classes)) {
      scores = writer.op('Reshape', [scores, writer.ints([-1, classes])]);
    }
  }
  const raw = scores;
  const perSample = writer.confidence(writer.logits(scores, classes, rule), classes, rule);
  // A NaN somewhere makes the sum NaN; taken from itself it is 0 in all other cases, but for infinities.
  const sum = writer.reduce('ReduceSum', raw, undefined);
  const nothing = writer.op('Sub', [sum, sum]);
  const least = site.batch === 1 ? perSample : writer.reduce('ReduceMin', perSample, undefined);
  const guarded = writer.op('Add', [least, nothing]);
  const threshold = thresholdFor(rule, classes);
  const leaves = writer.op('Greater', [guarded, writer.floats([below(threshold)], [])]);
  return { nodes: writer.nodes, constants: writer.constants, leaves, perSample };
}

/** The entropy is compared as the sum of p log p: 1 + sum / log(classes) >= t. */
function thresholdFor({ confidence, threshold }: ExitRule, classes: number): number {
  return confidence === 'entropy' ? (threshold - 1) * Math.log(Math.max(2, classes)) : threshold;
}

/** The largest float32 below every float32 that is at least `value`: then x > below(value) is x >= value, which older opsets lack. */
export function below(value: number): number {
  if (value === Number.POSITIVE_INFINITY) return value;
  if (value < -3.4e38) return Number.NEGATIVE_INFINITY;
  const at = new Float32Array([value]);
  if (at[0]! < value) return at[0]!;
  if (at[0] === 0) return -(2 ** -149);
  const bits = new Int32Array(at.buffer);
  bits[0] = bits[0]! + (at[0]! > 0 ? -1 : 1);
  return at[0]!;
}

function classesOf({ scores, shape, batch }: ConditionSite): number {
  const own =
    batch === 1 && shape?.[0] === 1 ? shape : batch === 1 && shape?.length === 1 ? shape : shape?.slice(1);
  const classes = own?.reduce<Dim>(
    (product, dim) => (typeof product === 'number' && typeof dim === 'number' ? product * dim : null),
    1,
  );
  if (typeof classes === 'number' && classes > 0) return classes;
  throw fail(
    'STAGES_INVALID',
    `the number of classes in ${scores} is not known, so no condition can be written for it`,
  );
}

class Writer {
  readonly nodes: Node[] = [];
  readonly constants = new Map<string, Tensor>();
  readonly #site: ConditionSite;

  constructor(site: ConditionSite) {
    this.#site = site;
  }

  op(op: string, inputs: string[], attributes: Record<string, Attribute> = {}, outputs = 1): string {
    const made = Array.from({ length: outputs }, () =>
      this.#site.names.fresh(`${this.#site.scores}_exit_${op}`),
    );
    this.nodes.push(makeNode(op, inputs, made, attributes, { name: made[0] }));
    return made[0]!;
  }

  floats(values: number[], dims: number[] = [values.length]): string {
    return this.#constant(Tensor.float32(dims, values));
  }

  ints(values: number[]): string {
    return this.#constant(Tensor.int64([values.length], values));
  }

  #constant(tensor: Tensor): string {
    const name = this.#site.names.fresh(`${this.#site.scores}_exit_value`);
    this.constants.set(name, tensor);
    return name;
  }

  /** Without axes over all; the reduced axes go. ReduceSum takes axes as an input from opset 13 on, the others from 18. */
  reduce(op: 'ReduceSum' | 'ReduceMin' | 'ReduceMax', x: string, axis: number | undefined): string {
    const keepdims = attr.int(0);
    if (axis === undefined) return this.op(op, [x], { keepdims });
    if (this.#site.opset >= (op === 'ReduceSum' ? 13 : 18))
      return this.op(op, [x, this.ints([axis])], { keepdims });
    return this.op(op, [x], { axes: attr.ints([axis]), keepdims });
  }

  /** [samples, classes or 2]: logits at the temperature. */
  logits(scores: string, classes: number, { scale, temperature }: ExitRule): string {
    let x = scores;
    if (scale === 'probabilities') {
      if (classes === 1) {
        const yes = this.op('Clip', [x, this.floats([NEAREST], []), this.floats([1 - NEAREST], [])]);
        x = this.op('Concat', [this.op('Sub', [this.floats([1], []), yes]), yes], { axis: attr.int(1) });
      } else x = this.op('Max', [x, this.floats([LEAST], [])]);
      x = this.op('Log', [x]);
    } else if (classes === 1) {
      x = this.op('Concat', [this.op('Sub', [x, x]), x], { axis: attr.int(1) });
    }
    return temperature === 1 ? x : this.op('Div', [x, this.floats([temperature], [])]);
  }

  /** [samples]. */
  confidence(logits: string, classes: number, { confidence }: ExitRule): string {
    const axis = attr.int(1);
    const p = this.op('Softmax', [logits], { axis });
    if (confidence === 'max-probability') return this.reduce('ReduceMax', p, 1);
    if (confidence === 'entropy') {
      const logs = this.op('LogSoftmax', [logits], { axis });
      return this.reduce('ReduceSum', this.op('Mul', [p, logs]), 1);
    }
    const top = this.op('TopK', [p, this.ints([Math.min(2, Math.max(2, classes))])], { axis }, 2);
    return this.op('MatMul', [top, this.floats([1, -1])]);
  }
}
