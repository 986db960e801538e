import type { Progress } from '../base/index.ts';
import { throwIfAborted } from '../base/index.ts';
import { bind, type Dataset, type Split } from '../data/index.ts';
import type { Model } from '../graph/index.ts';
import type { Measurement, Metric, MetricOptions } from '../measure/index.ts';
import type { Budget } from './budget.ts';
import { cascadeBehind, cascadePairs } from './cascades.ts';
import { chooseAmong, finalistsOf, whyNot } from './decide.ts';
import { familiesFor, trainingTimes } from './families.ts';
import { FeedStore } from './feed-store.ts';
import { firstPoints } from './first-points.ts';
import type { Goal } from './goal.ts';
import type { Journal } from './journal/journal.ts';
import { FIRST_SAMPLES, Judge } from './judge.ts';
import { type Look, Looks, RUNGS } from './looks.ts';
import { mixedAssignment } from './mixed.ts';
import { CONSTRAINTS } from './observe.ts';
import { opMixOf } from './op-mix.ts';
import { isHopeless, secondsOfLook, trains } from './pace-of-looks.ts';
import { Kitchen } from './recipe.ts';
import { Searcher } from './searcher/searcher.ts';
import type { Sensitivity } from './sensitivity.ts';
import { defaultRunSettings, type RunSettings } from './settings.ts';
import { FOUNDATION } from './space/foundation.ts';
import { modelSpace, type SpaceFacts } from './space/model-space.ts';
import { proxyOf } from './space/proxy.ts';
import { heavyLayers } from './space/weight-error.ts';
import {
  largestBatchOf,
  saturates,
  startingProviders,
  type TuneOptions,
  tuneLatency,
  tuneThroughput,
} from './tune.ts';
import { runnableOf, type Variant } from './variant.ts';
import { beforeRounding, exitsAbsent, exitVariants, withExits } from './with-exits.ts';

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
  /** What was done is recorded there, and what is recorded is not done again. */
  readonly journal: Journal;
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
  /** Every look that was taken, in order. */
  readonly looks: readonly Look[];
  readonly facts: SpaceFacts;
  /** Why no further look was taken. */
  readonly ended: 'nothing promised a gain' | 'time';
}

/** Shares of the budget after which nothing new is trained, no look is taken, no finalist is raced once more. */
const UNTIL = { trained: 0.6, looks: 0.72, races: 0.9 } as const;
/** The same where models are trained, which takes the most time. */
const UNTIL_TRAINED = { trained: 0.75, looks: 0.85, races: 0.95 } as const;
/** Relative gain that is not worth a further look. */
const TOLERANCE = 0.005;
/** Share of the budget that is kept for early exits, where they are a choice. */
const EXITS_SHARE = 0.15;
/** Seconds of the last race of a finalist: a share of the budget within bounds. */
const FINAL_RACE = { share: 0.08, least: 2, most: 6 } as const;
/** With fewer seconds left exits are not tried. */
const LEAST_EXIT_SECONDS = 8;
/** Times that finalists are looked at in full and chosen anew. */
const ROUNDS = 3;

/** Looks for the cheapest variant that meets the goal, where it pays, until the budget is spent or nothing promises a gain. */
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
  readonly #baseline: Variant;
  readonly #until: Readonly<Record<keyof typeof UNTIL, number>>;

  constructor(options: SearchOptions) {
    const { model, split, cores, seed, progress, signal, bytes, training, journal } = options;
    this.#o = options;
    this.#feeds = new FeedStore(split.search);
    this.judge = new Judge({ ...options, feeds: this.#feeds });
    this.#until = training === undefined ? UNTIL : UNTIL_TRAINED;
    this.#kitchen = new Kitchen(
      model,
      { progress, signal, seed, calibration: split.calibration, training },
      journal,
    );
    this.#baseline = {
      id: 'as-given',
      title: 'as given',
      recipe: [],
      model,
      bytes,
      faithful: true,
      notes: [],
      settings: defaultRunSettings(cores),
      status: 'baseline',
      why: "the model as given, under the runtime's defaults, one sample a call",
    };
  }

  async go(): Promise<SearchOutcome> {
    const { goal, split, budget, journal, training, cores } = this.#o;
    this.#baseline.evaluation = await this.judge.baseline('search');
    const part = budget.elapsed;
    // Needed in the end anyway; first, so that held-out data that cannot be used is not found after the search.
    await this.judge.baseline('heldOut');
    await this.#checkCalibration();
    const clean = (await this.#kitchen.cook(FOUNDATION)).model;
    const families = training === undefined ? [] : familiesFor(clean);
    const facts: SpaceFacts = await journal.step('facts', async () => ({
      mix: opMixOf(clean),
      layers: heavyLayers(clean),
      families,
      saturates: saturates(),
      cores,
      largestBatch: await largestBatchOf(clean, this.#tuneOptions()),
      providers: await startingProviders(),
      minimize: goal.minimize,
      noExits: exitsAbsent(goal, this.judge.metric.unit, split.search, training),
    }));
    const reserved = facts.noExits === undefined ? EXITS_SHARE : 0;
    const single = await this.#bestFor('latency', clean);
    const settings = goal.minimize === 'size' ? await this.#bestFor('throughput', clean) : single;
    const times = trainingTimes(families, journal.budget);
    const looks = new Looks({
      kitchen: this.#kitchen,
      judge: this.judge,
      journal,
      budget,
      feeds: this.#feeds,
      goal,
      times,
      settings,
      single,
      heldOut: split.heldOut.size,
      mix: (shape, at) => mixedAssignment(shape, at, { ...this.#o, kitchen: this.#kitchen }),
    });
    const space = modelSpace(facts);
    const first = firstPoints(space, facts);
    const share = this.judge.firstIsAll ? 1 : FIRST_SAMPLES / split.search.size;
    const searcher = new Searcher({
      space,
      constraints: CONSTRAINTS,
      proxy: proxyOf(clean, facts, goal),
      rungs: RUNGS,
      first,
      tolerance: TOLERANCE,
      seed: this.#o.seed,
      seconds: (point, rung) => {
        const seconds = secondsOfLook(point, rung, looks, times, part, share);
        const until = (trains(point) ? this.#until.trained : this.#until.looks) - reserved;
        return budget.elapsed + seconds < until * budget.seconds ? seconds : Number.POSITIVE_INFINITY;
      },
    });
    // Whatever the time: the clean model is the least that is offered.
    await looks.look(first[0]!, 0, 'the model itself, cleaned');
    const ended = await this.#takeLooks(searcher, looks);
    if (facts.noExits === undefined) {
      await this.#tryCascades(looks);
      await this.#tryExits(looks);
    }
    await this.#finals(looks, goal.minimize === 'latency' ? undefined : single);
    return this.#decide(looks, { single, facts, ended });
  }

  /** Reads the calibration part once: a sample that cannot be used ends the search here, not each variant by itself. */
  async #checkCalibration(): Promise<void> {
    const { original, split, signal } = this.#o;
    const { inputs } = await this.judge.portsOf(original);
    for await (const _batch of bind(split.calibration, inputs, { signal }));
  }

  /** The best settings of the clean model, where they are not searched for: for a single sample, and where size is minimized. */
  #bestFor(what: 'latency' | 'throughput', clean: Model): Promise<RunSettings> {
    const tune = what === 'latency' ? tuneLatency : tuneThroughput;
    return this.#o.journal.step(`settings for ${what}`, async () => {
      const [best] = await tune(clean, this.#tuneOptions());
      return best?.settings ?? this.#baseline.settings;
    });
  }

  #tuneOptions(): TuneOptions {
    const { cores, goal, largestBatch, progress, signal } = this.#o;
    return { cores, feeds: this.#feeds, p99: goal.p99, largestBatch, progress, signal };
  }

  async #takeLooks(searcher: Searcher, looks: Looks): Promise<SearchOutcome['ended']> {
    const { progress, budget, signal } = this.#o;
    const stage = progress.stage('looking for the cheapest', 100);
    let shown = 0;
    try {
      for (;;) {
        throwIfAborted(signal);
        const proposal = searcher.next(looks.taken.map(({ observation }) => observation));
        if (proposal === undefined) break;
        const { variant } = await looks.look(proposal.point, proposal.rung, proposal.why);
        const done = Math.min(100, Math.floor((100 * budget.spent) / this.#until.looks));
        if (done > shown) stage.advance(done - shown, variant?.title);
        shown = Math.max(shown, done);
      }
    } finally {
      stage.end();
    }
    // Where more time would have brought another proposal, it was the time that ended it.
    const more = searcher.next(
      looks.taken.map(({ observation }) => observation),
      (point) => (isHopeless(point, looks) ? Number.POSITIVE_INFINITY : 1),
    );
    return more === undefined ? 'nothing promised a gain' : 'time';
  }

  /**
   * Early exits on the cheapest finalist: what is before its rounding gets heads, which are certified on the search part; as stages for
   * batches, and as one file for single samples.
   */
  async #tryExits(looks: Looks): Promise<void> {
    const { budget, goal, split, training, seed, journal, progress, signal, metricOptions } = this.#o;
    looks.settle();
    const base = finalistsOf(looks.variants, goal).at(-1);
    const seen = looks.taken.findLast((look) => look.variant === base && look.settings === base?.settings);
    if (base === undefined || seen === undefined) return;
    const point = { ...seen.point, exits: 'yes' };
    const why = 'the cheapest so far, with exits';
    const { float, int8 } = beforeRounding(base.recipe);
    const whole = looks.variants.find(
      ({ recipe }) => recipe === float || JSON.stringify(recipe) === JSON.stringify(float),
    );
    const left = goal.maxDrop - Math.max(0, whole?.faithful ? 0 : (whole?.drop?.value ?? 0));
    const seconds = this.#until.looks * budget.seconds - budget.elapsed;
    if (left <= 0) return;
    if (seconds < LEAST_EXIT_SECONDS) {
      budget.skip('early exits', `the budget of ${budget.seconds} s was spent`);
      return;
    }
    const before = budget.elapsed;
    const { model } = await this.#kitchen.cook(float);
    const made = await withExits(model, base.title, {
      data: split.search,
      training,
      maxDrop: left,
      goal,
      output: metricOptions?.output,
      int8,
      seconds,
      seed,
      journal,
      progress,
      signal,
    });
    if ('failed' in made) {
      looks.refused(point, why, made.failed, budget.elapsed - before);
      return;
    }
    for (const variant of exitVariants(base, float, made, this.#o.cores, goal))
      await looks.lookAt(variant, point, why);
  }

  /** Smaller models that lose too much by themselves answer what they are sure of, a finalist the rest. */
  async #tryCascades(looks: Looks): Promise<void> {
    const { budget, goal, split, metricOptions, cores } = this.#o;
    looks.settle();
    for (const pair of cascadePairs(looks.variants, finalistsOf(looks.variants, goal), goal)) {
      const { first, last } = pair;
      const title = `behind ${first.title}`;
      if (!budget.allows(`${last.title} ${title}`, this.#until.looks)) return;
      const before = budget.elapsed;
      const made = await cascadeBehind(pair, {
        ...this.#o,
        data: split.search,
        output: metricOptions?.output,
      });
      const point = { exits: 'cascade' };
      const why = 'a cascade of what was found';
      if ('failed' in made) {
        looks.refused(point, why, made.failed, budget.elapsed - before);
        continue;
      }
      const by = { id: `behind-${first.id}`, title, pass: 'cascade' } as const;
      for (const variant of exitVariants(last, last.recipe, made, cores, goal, by))
        await looks.lookAt(variant, point, why);
    }
  }

  /** The finalists are looked at in full, and race once more, the cheapest first: it is the likeliest to be chosen. */
  async #finals(looks: Looks, single: RunSettings | undefined): Promise<void> {
    const { budget, goal } = this.#o;
    for (let round = 0; round < ROUNDS; round++) {
      looks.settle();
      const finalists = finalistsOf(looks.variants, goal);
      // The cheapest and the safest are looked at in full whatever the time: one of them can always be offered.
      const needed = new Set([finalists.at(-1), finalists[0]]);
      const glimpsed = finalists.filter((variant) => looks.rungOf(variant) < RUNGS - 1).reverse();
      if (glimpsed.length === 0) break;
      for (const variant of glimpsed) {
        if (budget.spent > this.#until.races && (round > 0 || !needed.has(variant))) continue;
        const seen = looks.taken.findLast(
          (look) => look.variant === variant && look.settings === variant.settings,
        )!;
        await looks.look(seen.point, RUNGS - 1, 'a finalist');
      }
    }
    looks.settle();
    const { share, least, most } = FINAL_RACE;
    const seconds = Math.min(most, Math.max(least, share * budget.seconds));
    const raced = new Map<Variant, Pick<Variant, 'settings' | 'timing'>>();
    for (const variant of finalistsOf(knownIn(looks), goal).reverse()) {
      if (!budget.allows(`a longer race of ${variant.title}`, this.#until.races)) break;
      const { settings, title } = variant;
      raced.set(variant, {
        settings,
        timing: await this.judge.race(runnableOf(variant), title, settings, { seconds, single }),
      });
    }
    // What was not raced once more goes by what a look in full showed: a first look does not time a single call.
    looks.settle(true);
    for (const [variant, found] of raced) Object.assign(variant, found);
  }

  async #decide(
    looks: Looks,
    rest: Pick<SearchOutcome, 'single' | 'facts' | 'ended'>,
  ): Promise<SearchOutcome> {
    const { goal } = this.#o;
    const { variants } = looks;
    const finalists = finalistsOf(knownIn(looks), goal);
    const chosen = await chooseAmong(finalists, this.#baseline, goal, this.judge);
    for (const variant of variants) if (variant.why === '') variant.why = whyNot(variant, finalists, goal);
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
      ...rest,
      metric: this.judge.metric,
      baseline: this.#baseline,
      chosen,
      variants: [this.#baseline, ...variants],
      sensitivity: looks.sensitivity,
      records: this.judge.records,
      looks: looks.taken,
    };
  }
}

/** What was looked at in full: nothing else may be offered. */
function knownIn(looks: Looks): Variant[] {
  return looks.variants.filter((variant) => looks.rungOf(variant) === RUNGS - 1);
}
