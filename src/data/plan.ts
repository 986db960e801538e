import { fail } from '../base/index.ts';
import { type DType, isFloat, type Shape } from '../graph/index.ts';
import { widens } from './cast.ts';
import type { Dataset, Field } from './dataset.ts';

/** An input of a model, as a session tells it. */
export interface InputPort {
  readonly name: string;
  readonly dtype: DType;
  /** Symbolic dimensions by name, unknown ones as null; undefined where not even the rank is known. */
  readonly shape: Shape;
}

/** How one input is fed. */
export interface Feed {
  readonly input: string;
  readonly field: string;
  readonly dtype: DType;
  /** Shape of what one sample gives: behind the batch axis, or (whole) the entire input. */
  readonly dims: readonly number[];
  /** True where one sample is a whole input, without a batch axis. */
  readonly whole: boolean;
}

/** How a dataset is fed to a model. */
export interface BatchPlan {
  /** Samples per run. */
  readonly batch: number;
  /** True where the model allows no other. */
  readonly fixed: boolean;
  /** Samples at the end of the dataset that fill no batch of a fixed size, and are left out. */
  readonly dropped: number;
  readonly feeds: readonly Feed[];
  /** What was done to make the data fit, for people. */
  readonly notes: readonly string[];
}

export interface PlanOptions {
  /** How many samples will be read, where not all are. Default: the size of the dataset. */
  readonly samples?: number;
  /** Lets float32 and float64 data feed float16 inputs, rounded. Default false. */
  readonly narrow?: boolean;
}

/**
 * Says how a dataset is fed to a model, with at most `wanted` samples per run. The rules:
 * - Fields go to the inputs of their names; a single field goes to a single input whatever they are called.
 * - A sample of one dimension less than the input leaves the first one to the batch. A sample of as many dimensions is
 *   a whole input, and the batch is 1 (recurrent state [2, 1, 128], say).
 * - Shapes that differ in dimensions of size 1 alone are the same ([49, 10] and [49, 10, 1]).
 * - A first dimension that is fixed in the model sets the batch; where it is above 1, samples that fill no batch are
 *   left out and counted (`dropped`).
 * - Floats become float32, integers become wider ones; nothing else is converted.
 * Throws DATA_NAMES_MISMATCH, DATA_SHAPE_MISMATCH, DATA_DTYPE_MISMATCH, DATA_TOO_FEW.
 */
export function planBatch(
  dataset: Dataset,
  inputs: readonly InputPort[],
  wanted = 32,
  options: PlanOptions = {},
): BatchPlan {
  if (!Number.isInteger(wanted) || wanted < 1) {
    throw fail('USAGE_BAD_OPTION', `a batch has at least one sample, not ${wanted}`);
  }
  const notes: string[] = [];
  const feeds = pairs(dataset, inputs, notes).map(([input, field]) =>
    feedOf(dataset, input, field, notes, options.narrow === true),
  );
  const fixed = fixedBatch(inputs, feeds);
  const batch = fixed ?? wanted;
  const samples = options.samples ?? dataset.size;
  if (fixed !== undefined && samples < fixed) {
    throw fail('DATA_TOO_FEW', `the model takes ${fixed} samples at once, ${dataset.name} has ${samples}`);
  }
  const dropped = fixed === undefined ? 0 : samples % fixed;
  if (dropped > 0) {
    notes.push(`the model takes ${fixed} samples at once: the last ${dropped} of ${samples} are left out`);
  }
  return { batch, fixed: fixed !== undefined, dropped, feeds, notes };
}

function pairs(dataset: Dataset, inputs: readonly InputPort[], notes: string[]): [InputPort, Field][] {
  const fields = new Map(dataset.fields.map((field) => [field.name, field]));
  const [only] = dataset.fields;
  if (inputs.length === 1 && only && dataset.fields.length === 1) {
    const [input] = inputs as [InputPort];
    if (input.name !== only.name)
      notes.push(`the only array, ${only.name}, feeds the only input, ${input.name}`);
    return [[input, only]];
  }
  const missing = inputs.filter((input) => !fields.has(input.name)).map((input) => input.name);
  if (missing.length > 0) {
    const why = `the model wants ${list(inputs)}, ${dataset.name} has ${list(dataset.fields)}; ${missing.join(', ')} missing`;
    throw fail('DATA_NAMES_MISMATCH', why, { missing });
  }
  const used = new Set(inputs.map((input) => input.name));
  for (const { name } of dataset.fields)
    if (!used.has(name)) notes.push(`${name} is no input of the model: not used`);
  return inputs.map((input) => [input, fields.get(input.name)!]);
}

function list(named: readonly { readonly name: string }[]): string {
  return named.map(({ name }) => name).join(', ') || 'nothing';
}

function feedOf(dataset: Dataset, input: InputPort, field: Field, notes: string[], narrow: boolean): Feed {
  const { name, dtype, shape } = input;
  const rounds = narrow && dtype === 'float16' && isFloat(field.dtype);
  if (!widens(field.dtype, dtype) && !rounds) {
    const why = `${field.name} of ${dataset.name} is ${field.dtype}, input ${name} takes ${dtype}`;
    const hint = `Convert the data, or declare {"preprocess": {"cast": "${dtype}"}} in its dataset.json.`;
    throw fail('DATA_DTYPE_MISMATCH', why, { input: name, hint });
  }
  const feed = { input: name, field: field.name, dtype };
  if (shape === undefined) return { ...feed, dims: field.dims, whole: false };
  if (shape.length === field.dims.length && fits(field.dims, shape)) {
    return { ...feed, dims: field.dims, whole: true };
  }
  const behind = shape.slice(1);
  if (shape.length > 0 && fits(field.dims, behind)) return { ...feed, dims: field.dims, whole: false };
  const dims = shape.length > 0 ? withoutOnes(field.dims, behind) : undefined;
  if (dims === undefined) {
    const why = `a sample of ${field.name} is [${field.dims}], input ${name} takes [${print(shape)}]`;
    const hint = 'Give samples of the shape of the input without its first (batch) dimension.';
    throw fail('DATA_SHAPE_MISMATCH', why, { input: name, data: field.dims, model: shape, hint });
  }
  notes.push(`samples [${field.dims}] of ${field.name} are seen as [${dims}]`);
  return { ...feed, dims, whole: false };
}

function fits(dims: readonly number[], shape: NonNullable<Shape>): boolean {
  return (
    dims.length === shape.length &&
    shape.every((dim, axis) => typeof dim !== 'number' || dim < 0 || dim === dims[axis])
  );
}

/** The shape that a model wants, where it differs from that of the data in dimensions of size 1 alone. */
function withoutOnes(dims: readonly number[], shape: NonNullable<Shape>): number[] | undefined {
  const solid = dims.filter((dim) => dim !== 1);
  let next = 0;
  const result = shape.map((dim) => {
    if (dim === 1) return 1;
    const taken = next < solid.length ? solid[next++]! : 1;
    return typeof dim === 'number' && dim >= 0 && dim !== taken ? Number.NaN : taken;
  });
  return next === solid.length && !result.some(Number.isNaN) ? result : undefined;
}

function print(shape: NonNullable<Shape>): string {
  return shape.map((dim) => dim ?? '?').join(',');
}

/** The batch that the model fixes, if it does. */
function fixedBatch(inputs: readonly InputPort[], feeds: readonly Feed[]): number | undefined {
  let fixed: number | undefined = feeds.some((feed) => feed.whole) ? 1 : undefined;
  for (const [position, { name, shape }] of inputs.entries()) {
    const first = shape?.[0];
    if (feeds[position]?.whole || typeof first !== 'number' || first < 0) continue;
    if (fixed !== undefined && fixed !== first) {
      const why = `input ${name} takes ${first} samples at once, another input ${fixed}`;
      throw fail('DATA_SHAPE_MISMATCH', why, { input: name });
    }
    fixed = first;
  }
  return fixed;
}
