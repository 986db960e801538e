import { fail, ModicumError } from '../../base/index.ts';
import { indexGraph, isConstant, type Model, type Node } from '../../graph/index.ts';
import type { DeclaredError, Pass, PassContext, PassNote, PassResult } from '../pass.ts';
import { STATIC_DEFAULTS, type StaticOptions, staticQuantization, withNames } from '../quantize/static.ts';
import {
  WEIGHT_ONLY_DEFAULTS,
  type WeightOnlyOptions,
  weightOnlyQuantization,
} from '../quantize/weight-only.ts';
import { typesOf } from '../types.ts';
import { HALF_DEFAULTS, type HalfOptions, halfPrecision } from './fp16.ts';
import { type Maxima, maximaOf } from './half-ranges.ts';
import { whyFloat } from './half-rules.ts';
import { isHeavy } from './layers.ts';
import { type Assignment, PRECISIONS, type Precision } from './precision.ts';

export interface MixedOptions {
  /** Precision of nodes by name: Conv, ConvTranspose, Gemm, MatMul and recurrent ones; light nodes follow them. */
  readonly assignment: Assignment;
  /** Precision of the heavy nodes that the assignment does not name. */
  readonly otherwise: Precision;
  /** Of the static quantization (int8), its own selection left out. */
  readonly static: Partial<StaticOptions>;
  /** Of the weight-only quantization (int4). */
  readonly weights: Partial<WeightOnlyOptions>;
  /** Of the conversion to float16. */
  readonly half: Partial<HalfOptions>;
  /** Reads what the runtime executes, repairs what does not fuse, and takes back to float what cannot. */
  readonly check: boolean;
}

export const MIXED_DEFAULTS: MixedOptions = {
  assignment: {},
  otherwise: 'fp32',
  static: {},
  weights: {},
  half: {},
  check: true,
};

/**
 * A precision for each layer: first static 8-bit quantization of the nodes in int8, then 4-bit blocks for the weights of those in int4,
 * then float16 for the rest that is to have it. Always from the model as it is given, so that a layer taken back to fp32 has its
 * own weights again. Throws USAGE_BAD_OPTION for a precision that is none, CALIBRATION_NEEDED for int8 without data,
 * NOTHING_TO_QUANTIZE where no node takes its precision.
 */
export const mixedPrecision: Pass<MixedOptions> = {
  name: 'mixed-precision',
  summary: 'a precision for each layer: fp32, fp16, int8 or 4-bit weights',
  defaults: MIXED_DEFAULTS,
  error: (): DeclaredError => ({ kind: 'lossy', why: 'layers are rounded as far as the assignment says' }),
  async apply(model: Model, options: MixedOptions, context: PassContext): Promise<PassResult> {
    context.signal?.throwIfAborted();
    const heavy = withNames(model).graph.nodes.filter(isHeavy);
    const precisionOf = chooser(options, heavy);
    const of = (precision: Precision) =>
      heavy.map(({ name }) => name).filter((name) => precisionOf(name) === precision);
    const notes: PassNote[] = unknownOf(options.assignment, heavy);
    const [integers, blocks, halves] = [of('int8'), of('int4'), of('fp16')];
    if (integers.length + blocks.length + halves.length === 0) return { model, modified: false, notes };

    let result: PassResult = { model, modified: false, notes: [] };
    const then = async (next: (from: Model) => Promise<PassResult>, nodes: readonly string[]) => {
      const made = await orRefused(() => next(result.model), result.model, nodes);
      const wanted = new Set(nodes);
      // What a pass says of the layers of the others (that they were not asked for) is no news.
      notes.push(...made.notes.filter(({ action, node }) => action !== 'refused' || wanted.has(node)));
      const repaired = [...(result.fusion?.repaired ?? []), ...(made.fusion?.repaired ?? [])];
      const fusion = made.fusion ?? result.fusion;
      result = {
        model: made.model,
        modified: result.modified || made.modified,
        notes,
        ...(fusion && { fusion: { ...fusion, repaired } }),
      };
    };
    const { check } = options;
    if (integers.length > 0) {
      const out = heavy.map(({ name }) => name).filter((name) => precisionOf(name) !== 'int8');
      const settings = { ...STATIC_DEFAULTS, check, ...options.static, exclude: out };
      await then((from) => staticQuantization.apply(from, settings, context), integers);
    }
    if (blocks.length > 0) {
      const settings = { ...WEIGHT_ONLY_DEFAULTS, check, ...options.weights, only: blocks };
      await then((from) => weightOnlyQuantization.apply(from, settings, context), blocks);
    }
    if (halves.length > 0) {
      const maxima = options.half.maxima ?? (await halfMaxima(model, context));
      await then((from) => {
        const only = withFollowers(from, new Set(halves));
        return halfPrecision.apply(from, { ...HALF_DEFAULTS, ...options.half, maxima, only }, context);
      }, halves);
    }
    if (result.modified) return result;
    const first = notes[0];
    throw fail('NOTHING_TO_QUANTIZE', first ? `${first.node}: ${first.why}` : 'no node takes its precision');
  },
};

function chooser(
  { assignment, otherwise }: MixedOptions,
  heavy: readonly Node[],
): (name: string) => Precision {
  for (const [name, precision] of [...Object.entries(assignment), ['otherwise', otherwise]] as const) {
    if (PRECISIONS.includes(precision as Precision)) continue;
    throw fail('USAGE_BAD_OPTION', `${name} is to be in "${precision}"; there are ${PRECISIONS.join(', ')}`);
  }
  const known = new Map(heavy.map(({ name }) => [name, otherwise]));
  for (const [name, precision] of Object.entries(assignment)) known.set(name, precision);
  return (name) => known.get(name) ?? 'fp32';
}

/** A misspelt name must not be silent. */
function unknownOf(assignment: Assignment, heavy: readonly Node[]): PassNote[] {
  const known = new Set(heavy.map(({ name }) => name));
  return Object.keys(assignment)
    .filter((name) => !known.has(name))
    .map((node) => ({ node, op: '', action: 'refused', why: 'assigned, but no heavy node bears this name' }));
}

/** A pass that finds nothing to do at all leaves the model as it is, and its nodes say why. */
async function orRefused(
  run: () => Promise<PassResult>,
  model: Model,
  nodes: readonly string[],
): Promise<PassResult> {
  try {
    return await run();
  } catch (cause) {
    if (!(cause instanceof ModicumError) || cause.code !== 'NOTHING_TO_QUANTIZE') throw cause;
    const why = cause.message;
    const notes: PassNote[] = nodes.map((node) => ({ node, op: '', action: 'refused', why }));
    return { model, modified: false, notes };
  }
}

/** They go with the model. */
const COUNTED = new WeakMap<Model, WeakMap<object, Promise<Maxima>>>();

/** The largest values on the calibration data, counted once for a model and its data; without data none are known. */
export function halfMaxima(model: Model, context: PassContext): Promise<Maxima> {
  const { calibration } = context;
  if (calibration === undefined) return Promise.resolve(new Map());
  const known = COUNTED.get(model)?.get(calibration);
  if (known !== undefined) return known;
  const made = maximaOf(model, calibration, typesOf(model), context);
  const ofModel = COUNTED.get(model) ?? new WeakMap<object, Promise<Maxima>>();
  ofModel.set(calibration, made);
  COUNTED.set(model, ofModel);
  // A failure (or a cancellation) is not to be remembered.
  made.catch(() => ofModel.delete(calibration));
  return made;
}

/**
 * The given nodes with the light ones that are to go along: those all of whose inputs come from them, and then those that only
 * they read. Anything else would be a pair of conversions more.
 */
export function withFollowers({ graph, opsets }: Model, chosen: ReadonlySet<string>): string[] {
  const index = indexGraph(graph);
  const taken = new Set(graph.nodes.filter(({ name }) => chosen.has(name)));
  const opset = opsets.get('') ?? 1;
  const follows = (node: Node) =>
    !isHeavy(node) && node.op !== 'Constant' && whyFloat(node, opset) === undefined;
  const light = graph.nodes.filter(follows);
  for (const node of light) {
    const given = node.inputs.filter((name) => name !== '' && !isConstant(graph, name, index));
    const makers = given.map((name) => index.producers.get(name));
    if (makers.length > 0 && makers.every((maker) => maker !== undefined && taken.has(maker)))
      taken.add(node);
  }
  for (const node of [...light].reverse()) {
    const readers = node.outputs.flatMap((name) => index.consumers.get(name) ?? []);
    const inner = node.outputs.every((name) => !index.outputs.has(name) && !index.captured.has(name));
    if (inner && readers.length > 0 && readers.every((reader) => taken.has(reader))) taken.add(node);
  }
  return graph.nodes.filter((node) => taken.has(node)).map(({ name }) => name);
}
