import { ModicumError, messageOf, type Progress, throwIfAborted } from '../base/index.ts';
import { bind, type Dataset, type Split } from '../data/index.ts';
import type { Model } from '../graph/index.ts';
import type { Measurement, Metric, MetricOptions } from '../measure/index.ts';
import type { Budget } from './budget.ts';
import { type Candidate, candidatesFor, FOUNDATION, staticWithout } from './candidates.ts';
import { chooseAmong, finalistsOf, riskOf } from './decide.ts';
import { fallbackCounts } from './fallback.ts';
import { FeedStore } from './feed-store.ts';
import type { Goal } from './goal.ts';
import { Judge } from './judge.ts';
import { objectiveOf } from './objective.ts';
import { opMixOf } from './op-mix.ts';
import { Kitchen } from './recipe.ts';
import type { Sensitivity } from './sensitivity.ts';
import { defaultRunSettings, type RunSettings } from './settings.ts';
import { learnedCandidates, shapesFor, smallerCandidates } from './shapes.ts';
import { saturates, type TuneOptions, tuneEngine, tuneLatency, tuneThroughput } from './tune.ts';
import type { Variant } from './variant.ts';

export interface SearchOptions {
  /** The model as given: its path where it has one. */
  readonly original: Model | string;
  readonly model: Model;
  readonly bytes: number;
  readonly split: Split;
  /** Samples to learn from; without them nothing is trained. */
  readonly training?: Dataset;
  readonly goal: Goal;
  readonly metricOptions?: MetricOptions;
  readonly budget: Budget;
  readonly cores: number;
  readonly largestBatch?: number;
  readonly seed: number;
  readonly progress: Progress;
  readonly signal?: AbortSignal;
}

export interface SearchOutcome {
  readonly metric: Metric;
  readonly baseline: Variant;
  /** Undefined: nothing beats the baseline. */
  readonly chosen: Variant | undefined;
  readonly variants: readonly Variant[];
  /** For one sample a call. */
  readonly single: RunSettings;
  readonly sensitivity: readonly Sensitivity[];
  readonly records: readonly Measurement[];
}

/** Shares of the budget after which a phase starts nothing new. */
const UNTIL = { candidates: 0.6, repair: 0.75, settings: 0.9 } as const;
/** The same where models are trained, which takes the most time. */
const UNTIL_TRAINED = { candidates: 0.8, repair: 0.87, settings: 0.95 } as const;
/** Share of the budget in which quantization may be learned. */
const LEARNING_SHARE = 0.15;
/** Smaller models that are quantized too. */
const MOST_SHAPES = 3;
/** Share of the budget after which no training is started. */
const TRAINING_SHARE = 0.6;
/** Seconds of one race against the baseline while searching, and of the last one. */
const RACE = { search: 2, final: 6 } as const;

/** Looks for the cheapest variant that meets the goal, where it pays, until the budget is spent. */
export async function search(options: SearchOptions): Promise<SearchOutcome> {
  const run = new Search(options);
  try {
    return await run.go();
  } finally {
    await run.judge.dispose();
  }
}

class Search {
  readonly judge: Judge;
  readonly #o: SearchOptions;
  readonly #feeds: FeedStore;
  readonly #kitchen: Kitchen;
  readonly #variants: Variant[] = [];
  readonly #baseline: Variant;
  readonly #until: Readonly<Record<keyof typeof UNTIL, number>>;
  #settings: RunSettings;
  #single: RunSettings;
  #sensitivity: readonly Sensitivity[] = [];

  constructor(options: SearchOptions) {
    const { original, model, split, goal, metricOptions, cores, seed, progress, signal, bytes, training } =
      options;
    this.#o = options;
    this.#feeds = new FeedStore(split.search);
    this.judge = new Judge({
      original,
      goal,
      metricOptions,
      split,
      feeds: this.#feeds,
      cores,
      seed,
      progress,
      signal,
    });
    this.#until = training === undefined ? UNTIL : UNTIL_TRAINED;
    this.#kitchen = new Kitchen(model, { progress, signal, seed, calibration: split.calibration, training });
    this.#settings = defaultRunSettings(cores);
    this.#single = this.#settings;
    this.#baseline = {
      id: 'as-given',
      title: 'as given',
      recipe: [],
      model,
      bytes,
      faithful: true,
      notes: [],
      settings: this.#settings,
      status: 'baseline',
      why: "the model as given, under the runtime's defaults, one sample a call",
    };
  }

  async go(): Promise<SearchOutcome> {
    this.#baseline.evaluation = await this.judge.baseline('search');
    // Needed in the end anyway; first, so that held-out data that cannot be used is not found after the search.
    await this.judge.baseline('heldOut');
    await this.#checkCalibration();
    const clean = await this.#cook({ id: 'clean', title: 'clean fp32', recipe: FOUNDATION, kind: 'float' });
    await this.#tune(clean);
    await this.#assess(clean);
    const shapes = await this.#tryShapes(clean.model);
    await this.#tryCandidates(clean.model, shapes);
    await this.#repair();
    await this.#retune();
    return this.#decide();
  }

  /** Reads the calibration part once: a sample that cannot be used ends the search here, not each variant by itself. */
  async #checkCalibration(): Promise<void> {
    const { original, split, signal } = this.#o;
    const { inputs } = await this.judge.portsOf(original);
    for await (const _batch of bind(split.calibration, inputs, { signal }));
  }

  /** The best settings of the clean model stand for those of all variants until the end. */
  async #tune(clean: Variant): Promise<void> {
    const options = this.#tuneOptions();
    const [fast] = await tuneThroughput(clean.model, options);
    const [short] = await tuneLatency(clean.model, options);
    this.#single = short?.settings ?? this.#single;
    this.#settings = this.#o.goal.minimize === 'latency' ? this.#single : (fast?.settings ?? this.#settings);
    clean.settings = this.#settings;
  }

  #tuneOptions(): TuneOptions {
    const { cores, goal, largestBatch, progress, signal } = this.#o;
    return { cores, feeds: this.#feeds, p99: goal.p99, largestBatch, progress, signal };
  }

  /**
   * Smaller models first: every way of making one at its largest size, then those that kept the accuracy on the search part at
   * their next. Returns the cheapest of all that kept it, the cheapest first.
   */
  async #tryShapes(clean: Model): Promise<Variant[]> {
    const { training, budget, goal } = this.#o;
    if (training === undefined) return [];
    const families = shapesFor(clean, budget.seconds * TRAINING_SHARE);
    const stage = this.#o.progress.stage('smaller models', families.flat().length);
    const kept: Variant[] = [];
    try {
      const open = new Set(families);
      for (let size = 0; open.size > 0; size++) {
        for (const sizes of open) {
          const candidate = sizes[size];
          if (candidate !== undefined) stage.advance(1, candidate.title);
          const variant =
            candidate !== undefined && budget.allows(candidate.title, TRAINING_SHARE)
              ? await this.#attempt(candidate)
              : undefined;
          if (variant !== undefined && variant.drop!.value <= goal.maxDrop) kept.push(variant);
          else open.delete(sizes);
        }
      }
    } finally {
      stage.end();
    }
    return kept.sort((a, b) => objectiveOf(a, goal) - objectiveOf(b, goal)).slice(0, MOST_SHAPES);
  }

  async #tryCandidates(clean: Model, shapes: readonly Variant[]): Promise<void> {
    const plain = candidatesFor(opMixOf(clean), saturates());
    const { training, budget } = this.#o;
    const learned =
      training === undefined ? [] : learnedCandidates(shapes[0], budget.seconds * LEARNING_SHARE);
    const candidates = [...shapes.flatMap((shape) => smallerCandidates(shape, plain)), ...learned, ...plain];
    const stage = this.#o.progress.stage('variants', candidates.length);
    try {
      for (const candidate of candidates) {
        stage.advance(1, candidate.title);
        if (this.#o.budget.allows(candidate.title, this.#until.candidates)) await this.#attempt(candidate);
      }
    } finally {
      stage.end();
    }
  }

  /** Makes and measures a variant; one that cannot be made is noted, not an error. */
  async #attempt(candidate: Candidate): Promise<Variant | undefined> {
    throwIfAborted(this.#o.signal);
    try {
      const variant = await this.#cook(candidate);
      await this.#assess(variant);
      return variant;
    } catch (cause) {
      if (!(cause instanceof ModicumError) || cause.code === 'CANCELLED') throw cause;
      this.#o.budget.skip(candidate.title, messageOf(cause));
      return undefined;
    }
  }

  async #cook(candidate: Candidate): Promise<Variant> {
    const cooked = await this.#kitchen.cook(candidate.recipe);
    const variant: Variant = {
      id: candidate.id,
      title: candidate.title,
      recipe: candidate.recipe,
      model: cooked.model,
      bytes: cooked.bytes,
      faithful: cooked.faithful,
      notes: cooked.notes,
      fusion: cooked.fusion,
      settings: this.#settings,
      status: 'dominated',
      why: '',
    };
    this.#variants.push(variant);
    return variant;
  }

  async #assess(variant: Variant): Promise<void> {
    const { evaluation, drop } = await this.judge.evaluate(variant.model, 'search', variant.title);
    variant.evaluation = evaluation;
    variant.drop = drop;
    variant.noise = variant.faithful ? 0 : await this.judge.noise(variant.model);
    variant.timing = await this.judge.race(
      variant.model,
      variant.title,
      variant.settings,
      this.#single,
      RACE.search,
    );
  }

  /**
   * Where a static variant is fast and not safe, or carries layers that are slower in int8, takes layers back to float:
   * the slow ones by measurement, the sensitive ones from the worst on until the loss is surely within the goal.
   */
  async #repair(): Promise<void> {
    const statics = this.#variants.filter((variant) => variant.recipe.at(-1)?.pass === 'quantize-static');
    const { budget, goal } = this.#o;
    const best = statics.sort((a, b) => riskOf(a, goal) - riskOf(b, goal))[0];
    if (best === undefined) return;
    if (!budget.allows('finding sensitive layers', this.#until.repair)) return;
    this.#sensitivity = await this.#kitchen.sensitivity(best.recipe);
    const slow = budget.allows('layers that are slower in int8', this.#until.repair)
      ? await this.#slowNodes(best)
      : [];
    const heavy = this.#kitchen.heavyNodes(best);
    if (heavy.length > 0 && heavy.every((node) => slow.includes(node))) {
      budget.skip('taking layers back to float', 'every layer is slower in int8 on this machine');
      return;
    }
    if (slow.length > 0) {
      const recipe = staticWithout(best.recipe, slow, `${slow.length} slow layers in float`);
      await this.#attempt({
        id: 'int8-static-fast',
        title: `int8 static, ${slow.length} slow in float`,
        recipe,
        kind: 'static',
      });
    }
    if (riskOf(best, goal) <= goal.maxDrop && slow.length === 0) return;
    const worst = [...this.#sensitivity].sort((a, b) => a.sqnr - b.sqnr).map(({ node }) => node);
    for (const count of fallbackCounts(worst.length)) {
      const title = `int8 static, ${count} sensitive in float`;
      if (!budget.allows(title, this.#until.repair)) break;
      const exclude = [...new Set([...slow, ...worst.slice(0, count)])];
      const recipe = staticWithout(best.recipe, exclude, `${exclude.length} layers in float`);
      const variant = await this.#attempt({ id: `int8-static-keep-${count}`, title, recipe, kind: 'static' });
      if (variant !== undefined && riskOf(variant, goal) <= goal.maxDrop) break;
    }
  }

  async #slowNodes(variant: Variant): Promise<readonly string[]> {
    const { inputs } = await this.judge.portsOf(variant.model);
    const batch = this.#feeds.batchFor(inputs, this.#settings.batch);
    const [feeds] = await this.#feeds.feeds(inputs, batch);
    return feeds === undefined ? [] : this.#kitchen.slowNodes(variant.recipe, this.#settings, feeds);
  }

  /** The finalists get settings of their own, and a longer race. */
  async #retune(): Promise<void> {
    const { budget, goal } = this.#o;
    // The cheapest first: where the time runs out, they are the likeliest to be chosen.
    for (const variant of finalistsOf(this.#variants, goal).reverse()) {
      if (!budget.allows(`settings of ${variant.title}`, this.#until.settings)) break;
      const options = { ...this.#tuneOptions(), near: variant.settings };
      const tune = goal.minimize === 'latency' ? tuneLatency : tuneThroughput;
      const [best] = await tune(variant.model, options);
      if (best !== undefined) variant.settings = (await tuneEngine(variant.model, best, options)).settings;
      variant.timing = await this.judge.race(
        variant.model,
        variant.title,
        variant.settings,
        this.#single,
        RACE.final,
      );
    }
  }

  async #decide(): Promise<SearchOutcome> {
    const { goal } = this.#o;
    const finalists = finalistsOf(this.#variants, goal);
    const chosen = await chooseAmong(finalists, this.#baseline, goal, this.judge);
    for (const variant of this.#variants)
      if (variant.why === '') variant.why = whyNot(variant, finalists, goal);
    this.#baseline.heldOut = {
      evaluation: await this.judge.baseline('heldOut'),
      drop: {
        value: 0,
        n: 0,
        differing: 0,
        interval: { low: 0, high: 0, level: goal.confidence, method: 'itself' },
      },
    };
    return {
      metric: this.judge.metric,
      baseline: this.#baseline,
      chosen,
      variants: [this.#baseline, ...this.#variants],
      single: this.#single,
      sensitivity: this.#sensitivity,
      records: this.judge.records,
    };
  }
}

function whyNot(variant: Variant, finalists: readonly Variant[], goal: Goal): string {
  const loss = variant.drop?.value ?? Number.NaN;
  if (!variant.faithful && !(loss <= goal.maxDrop)) {
    variant.status = 'rejected';
    return `it loses ${loss.toFixed(2)} on the search part, over the ${goal.maxDrop} allowed`;
  }
  const better = finalists.find(
    (other) =>
      objectiveOf(other, goal) <= objectiveOf(variant, goal) && riskOf(other, goal) <= riskOf(variant, goal),
  );
  return better === undefined
    ? 'safer or cheaper ones were tested first'
    : `${better.title} is no riskier and costs less`;
}
