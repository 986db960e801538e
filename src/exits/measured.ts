import { fail, type Progress, SILENT, throwIfAborted } from '../base/index.ts';
import { bind, type Dataset, planBatch } from '../data/index.ts';
import type { Model } from '../graph/index.ts';
import {
  type Comparison,
  comparePaired,
  looperOf,
  type Measurement,
  measureEnergy,
  recorder,
  shuffledFeeds,
  thisMachine,
} from '../measure/index.ts';
import { type Feeds, openSession, type Session, type SessionSettings } from '../run/index.ts';
import { openStaged, type StagedModel } from '../staged/index.ts';

export interface MeasureExitsOptions {
  /** Real samples: where they leave decides what they cost. */
  readonly data: Dataset;
  /** The staged model in one file (`nestedIf`); it is raced for single samples. */
  readonly oneFile?: Model | string;
  /** Other forms of the whole, raced alongside: the one in 8 bits, say. */
  readonly beside?: readonly { readonly name: string; readonly model: Model | string }[];
  /** Samples in a call. Default 1 and 32. */
  readonly batches?: readonly number[];
  /** Wall-clock seconds for each batch. Default 4. */
  readonly seconds?: number;
  /** Watts of a busy core, where known. */
  readonly wattsPerCore?: number;
  /** Default: one thread, one instance. */
  readonly settings?: Partial<SessionSettings>;
  readonly seed?: number;
  readonly machine?: string;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

/**
 * How fast each way of running is at one batch; ratios are to the whole model in the same rounds. Samples that leave early take less, so
 * that a median call says little: `throughputRatio` and `cpuRatio` weigh all of them.
 */
export interface MeasuredBatch {
  readonly batch: number;
  /** The whole, those beside it, then the stages and for single samples the one file. */
  readonly contestants: readonly Comparison[];
  /** Share of the samples that each stage answered while it was raced. */
  readonly left: readonly number[];
}

export interface MeasuredExits {
  readonly batches: readonly MeasuredBatch[];
  /** Single samples within the worker, no messages counted: the whole against the one file. Empty without one, or without a batch of 1. */
  readonly inWorker: readonly Comparison[];
  readonly records: readonly Measurement[];
}

/** Names of the contestants. */
export const WHOLE = 'whole';
export const STAGES = 'stages';
export const ONE_FILE = 'one file';

/** Calls that a loop goes round; more only fill memory. */
const MOST_SAMPLES = 512;
/** Calls in one round of a contestant at least: a round of a few calls would hold a few samples, and each leaves elsewhere. */
const CALLS = 12;

/**
 * Speed and energy of a staged model against the whole it was made of: single samples and batches, in turns within one run, on real
 * samples. Times are those of whole calls, with the messages to the workers in them: what a caller waits for. Energy is measured where a
 * counter is, else CPU seconds times watts (`energy.per-inference`), each contestant by itself, after the race.
 * Throws DATA_*, and what opening and running throw.
 */
export async function measureExits(
  staged: StagedModel,
  whole: Model | string,
  options: MeasureExitsOptions,
): Promise<MeasuredExits> {
  const { batches = [1, 32], seconds = 4, seed = 0, progress = SILENT, signal } = options;
  const settings = { threads: 1, instances: 1, ...options.settings };
  const open: { name: string; session: Session }[] = [];
  let inWorker: readonly Comparison[] = [];
  const stage = progress.stage('measuring exits', batches.length);
  try {
    const original = await openSession(whole, settings);
    open.push({ name: WHOLE, session: original });
    for (const { name, model } of options.beside ?? []) {
      open.push({ name, session: await openSession(model, settings) });
    }
    const pieces = await openStaged(staged, settings);
    open.push({ name: STAGES, session: pieces });
    const single = options.oneFile === undefined ? undefined : await openSession(options.oneFile, settings);
    if (single !== undefined) open.push({ name: ONE_FILE, session: single });
    const measured: MeasuredBatch[] = [];
    const records: Measurement[] = [];
    for (const batch of batches) {
      throwIfAborted(signal);
      const feeds = await feedsOf(original, options.data, batch, signal);
      const racing = open.filter(({ name }) => name !== ONE_FILE || batch === 1);
      const slice = await sliceFor(original, feeds);
      const before = [...pieces.left];
      const facts = { batch, threads: settings.threads };
      const { contestants, records: found } = await comparePaired(
        racing.map(({ name, session }) => ({
          name,
          session: looperOf(session),
          feeds,
          samplesPerRun: batch,
        })),
        {
          seconds,
          seed,
          slice,
          settings: racing.map(() => facts),
          machine: options.machine,
          signal,
        },
      );
      const gone = pieces.left.map((count, i) => count - before[i]!);
      const total = Math.max(
        1,
        gone.reduce((sum, count) => sum + count, 0),
      );
      const left = gone.map((count) => count / total);
      measured.push({ batch, contestants, left });
      records.push(...found, ...leftRecords(staged, left, total, facts, options));
      if (batch === 1 && single !== undefined) {
        const within = { ...facts, within: 'worker' };
        const compared = await comparePaired(
          [
            { name: WHOLE, session: shuffledFeeds(original, seed), feeds },
            { name: ONE_FILE, session: shuffledFeeds(single, seed), feeds },
          ],
          { seconds: seconds / 2, seed, slice, settings: [within, within], machine: options.machine, signal },
        );
        inWorker = compared.contestants;
        records.push(...compared.records);
      }
      for (const { name, session } of racing) {
        records.push(...(await energyOf(name, session, feeds, batch, seconds, facts, options)));
      }
      stage.advance();
    }
    return { batches: measured, inWorker, records };
  } finally {
    stage.end();
    await Promise.all(open.map(({ session }) => session.dispose()));
  }
}

async function feedsOf(
  session: Session,
  data: Dataset,
  batch: number,
  signal: AbortSignal | undefined,
): Promise<Feeds[]> {
  const size = planBatch(data, session.inputs, batch).batch;
  if (size !== batch) {
    throw fail('USAGE_BAD_OPTION', `the model takes ${size} samples in a call, not ${batch}`);
  }
  const feeds: Feeds[] = [];
  for await (const part of bind(data, session.inputs, { batch, signal })) {
    if (part.indices.length === batch) feeds.push(part.feeds);
    if ((feeds.length + 1) * batch > Math.max(MOST_SAMPLES, batch)) break;
  }
  if (feeds.length === 0) {
    throw fail('DATA_TOO_FEW', `${data.name} has ${data.size} samples, fewer than a batch of ${batch}`);
  }
  return feeds;
}

/** Seconds in which the whole makes enough calls. */
async function sliceFor(session: Session, feeds: readonly Feeds[]): Promise<number> {
  const { latencies } = await looperOf(session).loop(feeds, { runs: 6 });
  const sorted = latencies.toSorted();
  return Math.max(0.03, (CALLS * sorted[3]!) / 1000);
}

function leftRecords(
  { stages }: StagedModel,
  left: readonly number[],
  n: number,
  facts: Readonly<Record<string, number>>,
  { machine }: MeasureExitsOptions,
): Measurement[] {
  const record = recorder(machine ?? thisMachine(), facts);
  const mean = stages.reduce(
    ({ sum, before }, { macs }, i) => ({ sum: sum + (before + macs) * left[i]!, before: before + macs }),
    { sum: 0, before: 0 },
  ).sum;
  return [
    ...stages.map(({ id }, i) =>
      record({
        what: 'exits.left',
        value: 100 * left[i]!,
        unit: '%',
        how: 'measured',
        method: `Samples that left at ${id} while the stages were raced.`,
        n,
        settings: { stage: id },
      }),
    ),
    record({
      what: 'exits.macs',
      value: mean,
      unit: '1',
      how: 'measured',
      method: 'Multiply-accumulates a sample, by where the samples left while the stages were raced.',
      n,
    }),
  ];
}

async function energyOf(
  name: string,
  session: Session,
  feeds: readonly Feeds[],
  batch: number,
  seconds: number,
  facts: Readonly<Record<string, number>>,
  { wattsPerCore, machine, signal }: MeasureExitsOptions,
): Promise<Measurement[]> {
  const looper = looperOf(session);
  return measureEnergy(
    async () => (await looper.loop(feeds, { seconds: seconds / 12, signal })).runs * batch,
    { repeats: 3, wattsPerCore, machine, signal, settings: { ...facts, contestant: name } },
  );
}
