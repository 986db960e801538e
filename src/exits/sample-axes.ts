import { fail, messageOf } from '../base/index.ts';
import {
  type Dim,
  type DType,
  type Inference,
  inferShapes,
  type Model,
  type Shape,
  type ValueInfo,
} from '../graph/index.ts';
import type { Port } from '../run/index.ts';
import { batchAxes } from '../staged/index.ts';

/** How a value hangs together with the samples of a call. */
export type Belongs =
  /** The samples are its first axis and nothing else of it depends on their number. */
  | 'samples'
  /** It does not depend on the number of samples: a constant, or made of constants and sizes. */
  | 'call'
  /** The samples are elsewhere, or shapes are not known well enough to tell. */
  | 'unclear';

/** What is known of the values of a model whose samples shall part. */
export interface SampleAxes {
  /** The first dimension of what belongs to samples: a symbol, null, or the number of samples that the model fixes. */
  readonly batch: Dim;
  belongs(name: string): Belongs;
  /** Dtype and shape with `batch` first, where the dtype is known. */
  typeOf(name: string): { readonly dtype: DType; readonly shape: Shape } | undefined;
}

/** Two numbers of samples that no other dimension is likely to have. */
const PROBES = [7, 11] as const;

/**
 * Finds out for every value whether the samples are its first axis: shapes are inferred for two numbers of samples, and what grows
 * with them belongs to them. A model of one sample a call is never divided: all its values go with that sample.
 * Throws SPLIT_REFUSED where the model has no inputs with samples or cannot take several.
 */
export function sampleAxes(model: Model): SampleAxes {
  const inputs = portsOf(
    model,
    model.graph.inputs.filter(({ name }) => !model.graph.initializers.has(name)),
  );
  const { axes, fixed } = batchAxes(inputs);
  if (fixed !== undefined) {
    const found = inferShapes(model, { strict: false });
    const belongs = (name: string): Belongs => {
      if (fixed === 1) return 'samples';
      return found.get(name)?.shape?.[0] === fixed ? 'samples' : 'unclear';
    };
    return { batch: fixed, belongs, typeOf: (name) => typeIn(found, name) };
  }
  const names = new Set(Object.keys(axes));
  const batch =
    inputs
      .map(({ name, shape }) => (axes[name] === undefined ? undefined : shape?.[axes[name]]))
      .find((dim) => dim !== undefined && dim !== null) ?? null;
  const [few, many] = PROBES.map((samples) => inferFor(model, axes, samples)) as [Inference, Inference];
  const belongs = (name: string): Belongs => {
    if (names.has(name) && axes[name] !== 0) return 'unclear';
    const [one, other] = [few.get(name)?.shape, many.get(name)?.shape];
    if (one === undefined || other === undefined || one.length !== other.length) return 'unclear';
    const same = (from: number) => one.slice(from).every((dim, i) => dim !== null && dim === other[i + from]);
    if (same(0)) return 'call';
    const grows = one[0] === PROBES[0] && other[0] === PROBES[1];
    // Unknown dimensions behind the samples are no harm as long as they are not known to grow.
    const rest = one.slice(1).every((dim, i) => dim === other[i + 1]);
    return grows && rest ? 'samples' : 'unclear';
  };
  const typeOf = (name: string) => {
    const found = typeIn(few, name);
    if (found?.shape === undefined || belongs(name) !== 'samples') return found;
    return { dtype: found.dtype, shape: [batch, ...found.shape.slice(1)] };
  };
  return { batch, belongs, typeOf };
}

function typeIn(found: Inference, name: string): { dtype: DType; shape: Shape } | undefined {
  const value = found.get(name);
  if (value?.dtype === undefined || value.element !== undefined) return undefined;
  return { dtype: value.dtype, shape: value.shape };
}

/** Shapes for a number of samples; what the file says of inner values holds for its own number and is left aside. */
function inferFor(model: Model, axes: Readonly<Record<string, number>>, samples: number): Inference {
  const inputs = model.graph.inputs.map((input): ValueInfo => {
    const { type } = input;
    const axis = axes[input.name];
    if (type.kind !== 'tensor' || type.shape === undefined || axis === undefined) return input;
    return { ...input, type: { ...type, shape: type.shape.with(axis, samples) } };
  });
  try {
    return inferShapes({ ...model, graph: { ...model.graph, inputs } }, { declared: false, strict: false });
  } catch (cause) {
    throw fail(
      'SPLIT_REFUSED',
      `it does not take ${samples} samples in one call: ${messageOf(cause)}`,
      {},
      cause,
    );
  }
}

/** Inputs or outputs of a model as ports. Throws SPLIT_REFUSED where one is no tensor. */
export function portsOf(
  model: Model,
  values: readonly ValueInfo[],
  found?: Pick<SampleAxes, 'typeOf'>,
): Port[] {
  return values.map(({ name, type }) => {
    const inferred = found?.typeOf(name);
    if (type.kind === 'tensor') {
      return { name, dtype: type.dtype, shape: type.shape ?? inferred?.shape };
    }
    if (inferred !== undefined) return { name, ...inferred };
    throw fail('SPLIT_REFUSED', `${name} of graph "${model.graph.name}" is no tensor of a known dtype`);
  });
}
