import { fail } from '../base/index.ts';
import { weightBytes } from '../files/index.ts';
import { cloneModel, encodeModel, type Model } from '../graph/index.ts';
import { measureSensitivity } from '../mix/index.ts';
import type { Feeds } from '../run/index.ts';
import {
  calibrationValues,
  collectStatistics,
  type FusionReport,
  findSlowNodes,
  type PassContext,
  type PassNote,
  type Statistics,
} from '../transform/index.ts';
import type { Journal } from './journal/journal.ts';
import { type PassName, passByName } from './passes.ts';
import type { Sensitivity } from './sensitivity.ts';
import { type RunSettings, sessionSettings } from './settings.ts';

/** A pass with its settings; settings left out are the pass's defaults. */
export interface Step {
  /** A pass, or what is no pass: early exits make several models of one, a cascade one of several. */
  readonly pass: PassName | 'early-exits' | 'cascade';
  readonly options?: Readonly<Record<string, unknown>>;
  /** The step in words, for people. */
  readonly words: string;
}

/** Passes and settings, in order: what makes a variant out of a model. */
export type Recipe = readonly Step[];

export interface Cooked {
  readonly model: Model;
  /** Of the file it makes. */
  readonly bytes: number;
  readonly notes: readonly PassNote[];
  /** What the runtime makes of the quantized nodes, by the last quantizing step. */
  readonly fusion?: FusionReport;
  /** True where every step that changed something keeps the outputs up to rounding. */
  readonly faithful: boolean;
}

/** What multiplies and accumulates; the rest goes along. */
const HEAVY = new Set(['Conv', 'ConvTranspose', 'Gemm', 'MatMul']);

/** Past this, a model is measured by its weights alone: encoding it just to count bytes would cost too much memory. */
const LARGE = 2 ** 28;

/** Runs recipes, and keeps what several of them share: how they begin, and what calibration counted. */
export class Kitchen {
  readonly #original: Model;
  readonly #context: PassContext;
  readonly #journal: Journal;
  readonly #kept = new Map<string, Promise<Cooked>>();
  readonly #statistics = new WeakMap<Model, Promise<Statistics>>();

  /** What is made is recorded in the journal, with the model where it is not too large, and not made again. */
  constructor(original: Model, context: PassContext, journal: Journal) {
    this.#original = original;
    this.#context = context;
    this.#journal = journal;
  }

  /** The model that a recipe makes. Throws what its passes throw. */
  cook(recipe: Recipe): Promise<Cooked> {
    const key = keyOfRecipe(recipe);
    let found = this.#kept.get(key);
    if (found === undefined) {
      found = this.#cook(recipe);
      this.#kept.set(key, found);
    }
    return found;
  }

  async #cook(recipe: Recipe): Promise<Cooked> {
    const step = recipe.at(-1);
    if (step === undefined) {
      const model = cloneModel(this.#original);
      return { model, bytes: bytesOf(model), notes: [], faithful: true };
    }
    const key = keyOfRecipe(recipe);
    let made: Model | undefined;
    const facts = await this.#journal.step(`cook ${key}`, async () => {
      const { model, ...rest } = await this.#make(recipe, step);
      made = model;
      if (weightBytes(model.graph) <= LARGE) await this.#journal.keepModel(key, model);
      return rest;
    });
    made ??= (await this.#journal.keptModel(key)) ?? (await this.#make(recipe, step)).model;
    return { ...facts, model: made };
  }

  async #make(recipe: Recipe, step: Step): Promise<Cooked> {
    const before = await this.cook(recipe.slice(0, -1));
    if (step.pass === 'early-exits' || step.pass === 'cascade') {
      throw fail('INTERNAL', `${step.pass} is no pass`);
    }
    const pass = passByName(step.pass);
    const options = { ...pass.defaults, ...step.options, ...(await this.#counted(step, before.model)) };
    const result = await pass.apply(before.model, options, this.#context);
    return {
      model: result.model,
      bytes: bytesOf(result.model),
      notes: [...before.notes, ...result.notes],
      fusion: result.fusion ?? before.fusion,
      faithful: before.faithful && (!result.modified || pass.error(options).kind !== 'lossy'),
    };
  }

  /** Calibration reads the data once for all ways of choosing ranges. */
  async #counted(step: Step, model: Model): Promise<{ statistics?: Statistics }> {
    const { calibration } = this.#context;
    if (step.pass !== 'quantize-static' || calibration === undefined) return {};
    let found = this.#statistics.get(model);
    if (found === undefined) {
      const { progress, signal } = this.#context;
      found = collectStatistics(model, calibration, { values: calibrationValues(model), progress, signal });
      this.#statistics.set(model, found);
    }
    return { statistics: await found };
  }

  /** The layers that a variant really runs on integers. */
  heavyNodes({ fusion }: { readonly fusion?: FusionReport }): string[] {
    return (fusion?.nodes ?? []).filter(({ op }) => HEAVY.has(op)).map(({ name }) => name);
  }

  /** Nodes of a static recipe that are slower on integers, by measurement at these settings. */
  slowNodes(recipe: Recipe, settings: RunSettings, feeds: Feeds): Promise<readonly string[]> {
    return this.#journal.step(`slow layers of ${keyOfRecipe(recipe)}`, () =>
      this.#slowNodes(recipe, settings, feeds),
    );
  }

  async #slowNodes(recipe: Recipe, settings: RunSettings, feeds: Feeds): Promise<readonly string[]> {
    const before = await this.cook(recipe.slice(0, -1));
    const after = await this.cook(recipe);
    const { signal } = this.#context;
    const found = await findSlowNodes(before.model, after.model, feeds, {
      settings: { ...sessionSettings(settings), instances: 1 },
      selection: recipe.at(-1)?.options,
      signal,
    });
    return found.exclude;
  }

  /** How much each layer of a static recipe disturbs the outputs when it alone is quantized. */
  sensitivity(recipe: Recipe): Promise<Sensitivity[]> {
    return this.#journal.step(`sensitivity of ${keyOfRecipe(recipe)}`, () => this.#sensitivity(recipe));
  }

  async #sensitivity(recipe: Recipe): Promise<Sensitivity[]> {
    const step = recipe.at(-1);
    const before = await this.cook(recipe.slice(0, -1));
    const { calibration, progress, signal } = this.#context;
    if (step === undefined || calibration === undefined) return [];
    const quantization = { ...step.options, ...(await this.#counted(step, before.model)) };
    const found = await measureSensitivity(before.model, calibration, {
      samples: 64,
      passes: { static: quantization },
      progress,
      signal,
      // It is a matter of seconds beside the search, and of other samples each time.
      cache: false,
    });
    const able = found.filter(({ why }) => why === undefined);
    return able.map(({ layer, op, sqnr }) => ({ node: layer, op, sqnr })).sort((a, b) => a.sqnr - b.sqnr);
  }
}

/** What makes two recipes the same: passes and settings, not words. */
function keyOfRecipe(recipe: Recipe): string {
  return JSON.stringify(recipe.map(({ pass, options }) => [pass, options ?? {}]));
}

function bytesOf(model: Model): number {
  const weights = weightBytes(model.graph);
  return weights > LARGE ? weights : encodeModel(model).byteLength;
}
