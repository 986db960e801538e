import { fail, type Progress, SILENT } from '../../base/index.ts';
import type { Dataset } from '../../data/index.ts';
import { costOf, type Model } from '../../graph/index.ts';
import {
  type CutLimits,
  type CutPlan,
  captureOf,
  cleanUp,
  cutUnits,
  freeBatch,
  type PassContext,
  planForMacs,
  pruneGroups,
  type RepairNote,
  repairConsumers,
} from '../../transform/index.ts';
import { type DistillOptions, distill } from '../distill.ts';
import { importanceByName } from './importance.ts';
import { type CutLatencyOptions, latencyRatio, shareForLatency } from './latency-target.ts';
import { some } from './samples.ts';

export interface PruneOptions {
  /** Share of the MACs that goes. Default 0.5, unless `latency` says how much. */
  readonly ratio?: number;
  /** Time of a call that may remain, as a share of the model's, measured on this machine. */
  readonly latency?: number;
  readonly latencyOptions?: CutLatencyOptions;
  /** Default: taylor with labelled data, activations with other data, else l2. */
  readonly importance?: string;
  readonly limits?: Partial<CutLimits>;
  /** Cuts, each followed by repair and training: a large cut in steps loses less. Default 1. */
  readonly rounds?: number;
  /** Least-squares repair of what reads the cut channels; needs data. Default true. */
  readonly repair?: boolean;
  /** Training by distillation from the model as it was; needs data. False: none. Its epochs or seconds are those of all rounds together. */
  readonly tune?: DistillOptions | false;
  /** Sees the model right after each cut, after repair and after training. */
  readonly watch?: (stage: 'cut' | 'repaired' | 'tuned', round: number, model: Model) => Promise<void>;
  readonly seed?: number;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

export interface PruneRound {
  readonly macs: number;
  readonly units: number;
  readonly unitsBefore: number;
  /** False where the limits left more than was asked for. */
  readonly reached: boolean;
  readonly repaired: readonly RepairNote[];
  /** Mean loss of each epoch of training. */
  readonly losses: readonly number[];
}

export interface PruneResult {
  readonly model: Model;
  readonly rounds: readonly PruneRound[];
  readonly macsBefore: number;
  readonly macs: number;
  /** Time of a call over the original's, where a latency was asked for. */
  readonly latency?: number;
}

/** Samples that repair looks at. */
const REPAIR_SAMPLES = 512;
/** Gentle: the weights are good already. */
const TUNE: DistillOptions = { epochs: 5, rate: 5e-4, clip: 1 };

/**
 * Makes a model physically smaller: cuts the units that matter least, refits what read them, and lets the rest learn from the model
 * as it was, in rounds. Without data it only cuts. Throws NOTHING_TO_PRUNE, PRUNE_*, TRAIN_*, DATA_*.
 */
export async function prune(
  model: Model,
  data: Dataset | undefined,
  options: PruneOptions = {},
): Promise<PruneResult> {
  const { seed = 0, progress = SILENT, signal, rounds = 1, limits = {}, watch } = options;
  const importance = importanceByName(options.importance ?? usual(data, options));
  if (importance.needsData && data === undefined) {
    throw fail('TRAINING_NEEDED', `importance by ${importance.name} looks at samples`);
  }
  if (!Number.isInteger(rounds) || rounds < 1)
    throw fail('USAGE_BAD_OPTION', `rounds is ${rounds}, not 1 or more`);
  const context: PassContext = { progress, seed, signal };
  const { model: clean } = await cleanUp.apply(model, cleanUp.defaults, context);
  const { model: original } = await freeBatch.apply(clean, freeBatch.defaults, context);
  const macsBefore = costOf(original).total.macs;
  const score = async (current: Model) => {
    const groups = pruneGroups(current);
    const { losses } = options.tune || {};
    const scores = await importance.scores({
      model: current,
      groups,
      data,
      losses,
      options: { seed, signal, progress },
    });
    return { groups, scores };
  };
  const share = await shareOf(original, options, score);
  let current = original;
  const done: PruneRound[] = [];
  for (let round = 1; round <= rounds; round++) {
    signal?.throwIfAborted();
    const { groups, scores } = await score(current);
    const plan = planForMacs(groups, scores, macsBefore * share ** (round / rounds), limits);
    const before = current;
    current = cutUnits(before, groups, plan.cut);
    await watch?.('cut', round, current);
    let repaired: readonly RepairNote[] = [];
    if (data !== undefined && options.repair !== false) {
      const capture = captureOf(some(data, REPAIR_SAMPLES), { signal });
      const found = await repairConsumers(before, { model: current, groups, cut: plan.cut }, capture, {
        seed,
        signal,
      });
      current = found.model;
      repaired = found.notes;
      await watch?.('repaired', round, current);
    }
    const losses: number[] = [];
    if (data !== undefined && options.tune !== false) {
      const result = await distill(original, current, data, tuning(options, rounds, round));
      current = result.model;
      losses.push(...result.losses);
      await watch?.('tuned', round, current);
    }
    done.push(roundOf(plan, repaired, losses));
  }
  const latency =
    options.latency === undefined
      ? undefined
      : await latencyRatio(original, current, { seed, signal, ...options.latencyOptions });
  return { model: current, rounds: done, macsBefore, macs: costOf(current).total.macs, latency };
}

function usual(data: Dataset | undefined, { tune }: PruneOptions): string {
  if (data === undefined) return 'l2';
  return data.labels === undefined && (tune || undefined)?.losses === undefined ? 'activations' : 'taylor';
}

function roundOf(plan: CutPlan, repaired: readonly RepairNote[], losses: readonly number[]): PruneRound {
  const { macs, units, unitsBefore, reached } = plan;
  return { macs, units, unitsBefore, reached, repaired, losses };
}

/** The share of the MACs that is to stay. */
async function shareOf(
  original: Model,
  { ratio, latency, latencyOptions, limits = {}, seed = 0, signal, progress = SILENT }: PruneOptions,
  score: (
    model: Model,
  ) => Promise<{ groups: ReturnType<typeof pruneGroups>; scores: Parameters<typeof planForMacs>[1] }>,
): Promise<number> {
  if (latency === undefined) {
    const wanted = ratio ?? 0.5;
    if (!(wanted > 0 && wanted < 1))
      throw fail('USAGE_BAD_OPTION', `ratio is ${wanted}, not between 0 and 1`);
    return 1 - wanted;
  }
  if (ratio !== undefined) throw fail('USAGE_BAD_OPTION', 'ratio and latency exclude each other');
  if (!(latency > 0 && latency < 1))
    throw fail('USAGE_BAD_OPTION', `latency is ${latency}, not between 0 and 1`);
  const { groups, scores } = await score(original);
  const { macs } = costOf(original).total;
  const stage = progress.stage('Measuring cuts', 6);
  try {
    const found = await shareForLatency(
      original,
      latency,
      (share) => cutUnits(original, groups, planForMacs(groups, scores, macs * share, limits).cut),
      { seed, signal, ...latencyOptions },
      (share, took) =>
        stage.advance(
          1,
          `${(100 * share).toFixed(0)} % of the MACs: ${(100 * took).toFixed(0)} % of the time`,
        ),
    );
    if (found !== undefined) return found;
  } finally {
    stage.end();
  }
  throw fail('PRUNE_OUT_OF_REACH', `no cut takes a call to ${(100 * latency).toFixed(0)} % of its time`);
}

/** The training after one of several cuts: its part of the epochs or seconds, without a checkpoint of its own. */
function tuning(options: PruneOptions, rounds: number, round: number): DistillOptions {
  const given = { ...TUNE, ...(options.tune || {}) };
  const { seconds, steps } = given;
  const epochs = seconds === undefined && steps === undefined ? given.epochs : undefined;
  const { seed = 0, progress, signal } = options;
  return {
    ...given,
    epochs: epochs === undefined ? undefined : Math.max(1, Math.round(epochs / rounds)),
    seconds: seconds === undefined ? undefined : seconds / rounds,
    steps: steps === undefined ? undefined : Math.max(1, Math.round(steps / rounds)),
    checkpoint: given.checkpoint && (rounds === 1 ? given.checkpoint : `${given.checkpoint}.${round}`),
    seed,
    progress,
    signal,
  };
}
