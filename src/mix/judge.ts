import { SILENT } from '../base/index.ts';
import { bind, planBatch } from '../data/index.ts';
import type { Model } from '../graph/index.ts';
import {
  type Comparison,
  compareEvaluations,
  comparePaired,
  type Drop,
  type Evaluation,
  evaluate,
  type Measurement,
  type Metric,
  metricByName,
} from '../measure/index.ts';
import { type Feeds, type OrtSession, openSession, type Session } from '../run/index.ts';
import type { MixParts, Settled } from './options.ts';
import type { Variant } from './variant.ts';

type Part = 'search' | 'heldOut';

/** Samples per run while accuracy is measured, where the model allows it. */
const EVALUATION_BATCH = 32;
/** Different batches that a timing loop goes round. */
const DISTINCT = 4;
/** Idle threads of the others spin for some milliseconds: slices are long beside that. */
const SLICE = 0.1;

/** Holds variants against the model as given: accuracy on the same samples, speed in turns within one run. */
export class MixJudge {
  readonly metric: Metric;
  /** Everything that was measured. */
  readonly records: Measurement[] = [];
  readonly #given: Model;
  readonly #parts: MixParts;
  readonly #o: Settled;
  readonly #baselines = new Map<Part, Promise<Evaluation>>();
  #reference: Promise<OrtSession> | undefined;

  constructor(given: Model, parts: MixParts, options: Settled) {
    this.#given = given;
    this.#parts = parts;
    this.#o = options;
    this.metric = metricByName(options.metric, options.metricOptions);
  }

  /** The model as given on a part. */
  baseline(part: Part): Promise<Evaluation> {
    const known = this.#baselines.get(part);
    if (known !== undefined) return known;
    const made = this.#open().then((session) => this.#evaluate(session, part, 'as given'));
    this.#baselines.set(part, made);
    return made;
  }

  /** A variant on a part, and what it loses there. The upper end of the interval holds with the confidence asked for. */
  async evaluate(variant: Variant, part: Part): Promise<{ evaluation: Evaluation; drop: Drop }> {
    const { confidence, seed, signal, settings } = this.#o;
    const baseline = await this.baseline(part);
    const session = await openSession(variant.model, settings);
    try {
      const evaluation = await this.#evaluate(session, part, variant.title);
      const options = { level: confidence, oneSided: true, seed, signal };
      return { evaluation, drop: compareEvaluations(baseline, evaluation, this.metric, options) };
    } finally {
      await session.dispose();
    }
  }

  async #evaluate(session: Session, part: Part, title: string): Promise<Evaluation> {
    const { seed, progress = SILENT, signal } = this.#o;
    const made = await evaluate(session, this.#parts[part], this.metric, {
      reference: this.metric.needs.reference ? await this.#open() : undefined,
      batch: EVALUATION_BATCH,
      seed,
      progress,
      signal,
    });
    this.records.push({ ...made.record, settings: { ...made.record.settings, variant: title, part } });
    return made;
  }

  #open(): Promise<OrtSession> {
    this.#reference ??= openSession(this.#given);
    return this.#reference;
  }

  /** Speed of variants against the first of them, all in turns within one run. */
  async race(variants: readonly Variant[]): Promise<readonly Comparison[]> {
    const { settings, batch, seconds, seed, progress, signal } = this.#o;
    const sessions: OrtSession[] = [];
    try {
      const contestants = [];
      for (const { title, model } of variants) {
        const session = await openSession(model, settings);
        sessions.push(session);
        const samplesPerRun = planBatch(this.#parts.search, session.inputs, batch).batch;
        contestants.push({
          name: title,
          session,
          feeds: await this.#feeds(session, samplesPerRun),
          samplesPerRun,
        });
      }
      const compared = await comparePaired(contestants, {
        seconds,
        slice: SLICE,
        warmUpAtMost: 0.3,
        seed,
        progress,
        signal,
        settings: variants.map(() => ({ ...settings, batch })),
      });
      this.records.push(...compared.records);
      return compared.contestants;
    } finally {
      await Promise.all(sessions.map((session) => session.dispose()));
    }
  }

  async #feeds(session: Session, batch: number): Promise<Feeds[]> {
    const feeds: Feeds[] = [];
    for await (const part of bind(this.#parts.search, session.inputs, { batch, signal: this.#o.signal })) {
      if (part.indices.length === batch) feeds.push(part.feeds);
      if (feeds.length === DISTINCT) break;
    }
    return feeds;
  }

  async dispose(): Promise<void> {
    await (await this.#reference)?.dispose();
  }
}
