import { weightBytes } from '../files/index.ts';
import { encodeModel, type Model } from '../graph/index.ts';
import type { Comparison, Drop, Evaluation } from '../measure/index.ts';
import {
  type Assignment,
  type FusionReport,
  MIXED_DEFAULTS,
  type MixedOptions,
  type MixLayer,
  mixedPrecision,
  type PassContext,
  type PassNote,
  type Precision,
} from '../transform/index.ts';

/** A model in one precision, or in several, and what is known of it. */
export interface Variant {
  readonly title: string;
  /** The one precision of a uniform variant; undefined where layers differ. */
  readonly precision: Precision | undefined;
  readonly model: Model;
  /** Of the file it makes. */
  readonly bytes: number;
  /** What was asked for, by heavy node. */
  readonly assignment: Assignment;
  /** What it really is, by heavy node: what does not fuse goes back to fp32. */
  readonly effective: Assignment;
  readonly notes: readonly PassNote[];
  readonly fusion?: FusionReport;
  /** On the tuning part. */
  evaluation?: Evaluation;
  /** Loss on the tuning part against the model as given. */
  drop?: Drop;
  /** On the held-out part, where it was tested there. */
  heldOut?: { readonly evaluation: Evaluation; readonly drop: Drop };
  /** Against the cleaned model in fp32, in turns within one run. */
  speed?: Comparison;
  /** Why it was chosen or not. */
  why: string;
}

/** A model beyond it is not encoded to learn its size. */
const LARGE = 2 ** 30;

/** Applies an assignment to the model as it is given. Throws what the pass throws. */
export async function makeVariant(
  title: string,
  model: Model,
  layers: readonly MixLayer[],
  precisionOf: (layer: MixLayer) => Precision,
  passes: Partial<MixedOptions>,
  context: PassContext,
): Promise<Variant> {
  const assignment: Record<string, Precision> = {};
  for (const layer of layers) for (const name of layer.nodes) assignment[name] = precisionOf(layer);
  const made = await mixedPrecision.apply(model, { ...MIXED_DEFAULTS, ...passes, assignment }, context);
  const effective: Record<string, Precision> = { ...assignment };
  for (const { node, action } of made.notes)
    if (action !== 'changed' && effective[node]) effective[node] = 'fp32';
  const all = new Set(Object.values(assignment));
  return {
    title,
    precision: all.size === 1 ? [...all][0] : undefined,
    model: made.model,
    bytes: bytesOf(made.model),
    assignment,
    effective,
    notes: made.notes,
    ...(made.fusion && { fusion: made.fusion }),
    why: '',
  };
}

/** Every layer in the precision where it can be in it, else in fp32. */
export async function uniformVariant(
  precision: Precision,
  model: Model,
  layers: readonly MixLayer[],
  passes: Partial<MixedOptions>,
  context: PassContext,
): Promise<Variant> {
  const of = (layer: MixLayer) => (layer.precisions.includes(precision) ? precision : 'fp32');
  const made = await makeVariant(precision, model, layers, of, passes, context);
  return { ...made, precision };
}

function bytesOf(model: Model): number {
  const weights = weightBytes(model.graph);
  return weights > LARGE ? weights : encodeModel(model).byteLength;
}
