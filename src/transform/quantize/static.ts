import { fail, SILENT } from '../../base/index.ts';
import type { Dataset } from '../../data/index.ts';
import { cloneModel, type Model, type Node, nameNodes } from '../../graph/index.ts';
import type { DeclaredError, Pass, PassContext, PassNote, PassResult } from '../pass.ts';
import { activationParams } from './activation-params.ts';
import { type BiasShifts, biasShifts, withShiftedBiases } from './bias-correction.ts';
import type { CalibrationMethod, CalibratorOptions, ValueRange } from './calibrate/ranges.ts';
import { collectStatistics, rangesFrom, type Statistics } from './calibrate/statistics.ts';
import { unknownNotes } from './checked.ts';
import { emitQdq } from './emit.ts';
import { repairFusion } from './fusion-repair.ts';
import type { FusionReport } from './fusion-report.ts';
import { type Placement, place } from './placement.ts';
import { excluder, type Selection } from './selection.ts';
import { findSites } from './sites.ts';

export interface StaticOptions extends Selection, CalibratorOptions {
  readonly method: CalibrationMethod;
  /** Type of activations; the x64 kernels take either at the same speed. Weights are int8. */
  readonly activations: 'uint8' | 'int8';
  /** One scale for each output channel of a weight. */
  readonly perChannel: boolean;
  /** 7-bit weights, for x64 without VNNI. */
  readonly reduceRange: boolean;
  /**
   * 4: weights are numbers from -7 to 7. They are stored in int8, since the runtime (1.30) fuses no int4 weight between
   * quantized activations: the speed is that of 8 bits, the file smaller only where it is compressed.
   */
  readonly weightBits: 4 | 8;
  readonly weightFit: 'minmax' | 'mse';
  /** Adds to each bias what rounding took from the mean of its channel, measured on the calibration data. */
  readonly biasCorrection: boolean;
  /** Samples per run while calibrating. */
  readonly batch: number;
  /** Reads what the runtime executes, repairs what does not fuse, and takes back to float what cannot. */
  readonly check: boolean;
  /** Counted already for this model (see calibrationValues): spares reading the data. */
  readonly statistics?: Statistics;
  /** Measured already for this model (see prepareStatic): bias correction then needs no data. */
  readonly shifts?: BiasShifts;
}

export const STATIC_DEFAULTS: StaticOptions = {
  method: 'minmax',
  activations: 'uint8',
  perChannel: true,
  reduceRange: false,
  weightBits: 8,
  weightFit: 'minmax',
  biasCorrection: true,
  batch: 32,
  check: true,
};

/** Per-channel weights need DequantizeLinear of opset 13. */
const LEAST_OPSET = 13;

/** Static 8-bit quantization: QuantizeLinear and DequantizeLinear where ONNX Runtime's integer kernels begin and end. */
export const staticQuantization: Pass<StaticOptions> = {
  name: 'quantize-static',
  summary: 'weights and activations in 8 bits, with ranges from calibration data (QDQ)',
  defaults: STATIC_DEFAULTS,
  error: (): DeclaredError => ({ kind: 'lossy', why: 'activations and weights are rounded to 8 bits' }),
  async apply(model: Model, options: StaticOptions, context: PassContext): Promise<PassResult> {
    const named = withNames(model);
    requireOpset(named, LEAST_OPSET);
    const placement = placementOf(named, options);
    const notes = notesOf(placement, options, named.graph.nodes);
    if (placement.sites.length === 0) {
      const why = notes[0]
        ? `${notes[0].node}: ${notes[0].why}`
        : 'the graph has no Conv, Gemm or MatMul (those inside of If, Loop and Scan stay in float)';
      throw fail('NOTHING_TO_QUANTIZE', why);
    }
    const statistics = options.statistics ?? (await statisticsFor(model, named, options.batch, context));
    const ranges = rangesFrom(statistics, options.method, options);
    const shifts = options.shifts ?? (await shiftsFor(named, placement, ranges, options, context));
    const quantized = quantizeStatic(named, placement, ranges, options, shifts);
    if (!options.check) return { model: quantized, modified: true, notes };
    const { signal } = context;
    const repaired = await repairFusion(quantized, { original: named, signal });
    return {
      model: repaired.model,
      modified: true,
      notes: withReverted(notes, repaired.report),
      fusion: repaired.report,
    };
  },
};

/** A copy in which every node has a name of its own: exclusions and reports speak of names. */
export function withNames(model: Model): Model {
  const named = cloneModel(model);
  nameNodes(named.graph);
  return named;
}

export function requireOpset(model: Model, least: number): void {
  const opset = model.opsets.get('') ?? 1;
  if (opset >= least) return;
  throw fail('OPSET_TOO_OLD', `the model is of opset ${opset}, this needs ${least}`, { opset, least });
}

/** Where static quantization would put 8 bits, under the exclusions of the options. Node names must be unique. */
export function placementOf(model: Model, options: Selection): Placement {
  const found = findSites(model);
  const heavy = found.sites.filter((site) => site.row.kind === 'compute').map((site) => site.node);
  return place(found, excluder(options, heavy));
}

/** The values whose ranges static quantization of this model can need, whatever is excluded. */
export function calibrationValues(model: Model): string[] {
  return [...placementOf(withNames(model), {}).values];
}

/** They go with the model. */
const COLLECTED = new WeakMap<Model, WeakMap<Dataset, Statistics>>();

/** Statistics of all values that quantizing a model can need, collected once for a model and its data. */
export async function statisticsFor(
  model: Model,
  named: Model,
  batch: number,
  { calibration, progress = SILENT, signal }: PassContext,
): Promise<Statistics> {
  if (calibration === undefined) throw fail('CALIBRATION_NEEDED', 'the pass got no data');
  const known = COLLECTED.get(model)?.get(calibration);
  if (known !== undefined) return known;
  const values = [...placementOf(named, {}).values];
  const made = await collectStatistics(named, calibration, { values, batch, progress, signal });
  const ofModel = COLLECTED.get(model) ?? new WeakMap<Dataset, Statistics>();
  ofModel.set(calibration, made);
  COLLECTED.set(model, ofModel);
  return made;
}

/**
 * All that static quantization of this model reads from the data, whatever is excluded later: spares reading it again for each of many
 * selections. The shift of a bias is that of its layer alone. Throws CALIBRATION_NEEDED, OPSET_TOO_OLD, and what calibration throws.
 */
export async function prepareStatic(
  model: Model,
  options: StaticOptions,
  context: PassContext,
): Promise<Required<Pick<StaticOptions, 'statistics' | 'shifts'>>> {
  const named = withNames(model);
  requireOpset(named, LEAST_OPSET);
  const statistics = options.statistics ?? (await statisticsFor(model, named, options.batch, context));
  const ranges = rangesFrom(statistics, options.method, options);
  const shifts = options.shifts ?? (await shiftsFor(named, placementOf(named, {}), ranges, options, context));
  return { statistics, shifts };
}

/** What bias correction adds; nothing where it is not wanted or there is no data. */
export async function shiftsFor(
  named: Model,
  placement: Placement,
  ranges: ReadonlyMap<string, ValueRange>,
  options: StaticOptions,
  { calibration, signal }: PassContext,
): Promise<BiasShifts> {
  if (!options.biasCorrection || calibration === undefined) return new Map();
  const params = activationParams(placement, ranges, options.activations);
  const { perChannel, reduceRange: reduce, weightBits: bits, weightFit: fit, batch } = options;
  return biasShifts(named, placement, params, calibration, {
    weights: { perChannel, reduce, bits, fit },
    batch,
    signal,
  });
}

/** The quantized model of a placement, ranges and corrections. */
export function quantizeStatic(
  model: Model,
  placement: Placement,
  ranges: ReadonlyMap<string, ValueRange>,
  options: StaticOptions,
  shifts: BiasShifts = new Map(),
): Model {
  const params = activationParams(placement, ranges, options.activations);
  const { activations: type, perChannel, reduceRange, weightBits, weightFit } = options;
  const corrected = withShiftedBiases(model, placement, shifts);
  const { sites } = findSites(corrected);
  const chosen = new Set(placement.sites.map(({ node }) => node.name));
  // The same places in the corrected model, whose nodes are other objects.
  const same = { ...placement, sites: sites.filter(({ node }) => chosen.has(node.name)) };
  return emitQdq(corrected, same, params, { type, perChannel, reduceRange, weightBits, weightFit });
}

function notesOf(placement: Placement, options: Selection, nodes: readonly Node[]): PassNote[] {
  const notes: PassNote[] = placement.sites.map(({ node }) => ({
    node: node.name,
    op: node.op,
    action: 'changed',
    why: 'runs on 8-bit integers',
  }));
  for (const { node, why } of placement.refused) {
    notes.push({ node: node.name, op: node.op, action: 'refused', why });
  }
  notes.push(...unknownNotes(options, nodes));
  return notes;
}

/** Notes in which the nodes that a repair took back to float say so. */
export function withReverted(notes: readonly PassNote[], { repaired }: FusionReport): PassNote[] {
  const back = new Map(repaired.filter(({ reverted }) => reverted).map(({ node, what }) => [node, what]));
  return notes.map((note) => {
    const why = back.get(note.node);
    return why === undefined ? note : { ...note, action: 'reverted', why };
  });
}
