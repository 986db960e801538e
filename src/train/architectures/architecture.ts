import { fail, type Random } from '../../base/index.ts';
import type { Model } from '../../graph/index.ts';
import { addHeads, type Trunk } from './heads.ts';
import { Net } from './net.ts';
import { type Task, whyNoTask } from './task.ts';

/** Options that every architecture has. All others are counts (whole, positive), names or lists of these. */
export interface CommonOptions {
  /** Factor on all channels and units. */
  readonly width: number;
  /** Factor on the number of blocks or layers. */
  readonly depth: number;
  /** True: Softmax after classes and Sigmoid after yes or no. False: these outputs are logits. */
  readonly probabilities: boolean;
}

/** Makes untrained models for a task. */
export interface Architecture<Options extends CommonOptions = CommonOptions> {
  readonly name: string;
  /** One line for --help and the docs. */
  readonly summary: string;
  readonly defaults: Options;
  /** True where a model can be made for the task; else why not. */
  fits(task: Task): true | string;
  /**
   * A model of opset 17 in float32 that takes batches of any size; the same random stream makes the same bytes. With
   * null for `random` all weights are zero: enough to count what it costs. Batch normalizations are in their
   * inference form, mean 0 and variance 1. Throws ARCHITECTURE_UNFIT where it does not fit, USAGE_BAD_OPTION.
   */
  build(task: Task, options: Partial<Options>, random: Random | null): Model;
}

/** What an architecture says of itself; the rest is the same for all. */
export interface Design<Options extends CommonOptions> {
  readonly name: string;
  readonly summary: string;
  readonly defaults: Options;
  /** True where it can read the inputs; a sound task is given. */
  reads(task: Task): true | string;
  /** Adds everything up to the heads. */
  trunk(net: Net, task: Task, options: Options): Trunk;
}

/** The architecture of a design. */
export function architecture<Options extends CommonOptions>(design: Design<Options>): Architecture<Options> {
  const { name, summary, defaults } = design;
  const fits = (task: Task) => whyNoTask(task) ?? design.reads(task);
  return {
    name,
    summary,
    defaults,
    fits,
    build(task, given, random) {
      const fit = fits(task);
      if (fit !== true) throw fail('ARCHITECTURE_UNFIT', `${name}: ${fit}`, { architecture: name });
      const options = { ...defaults, ...checked(design, given) };
      const net = new Net(name, task, random);
      addHeads(net, design.trunk(net, task, options), task, options.probabilities);
      return net.model(options);
    },
  };
}

/** The options that were given, each of the kind of its default. */
function checked<Options extends CommonOptions>(
  { name, defaults }: Design<Options>,
  given: Partial<Options>,
): Partial<Options> {
  const known = new Map<string, unknown>(Object.entries(defaults));
  const entries = Object.entries(given).filter(([, value]) => value !== undefined);
  for (const [key, value] of entries) {
    const like = known.get(key);
    if (like === undefined) {
      throw fail('USAGE_BAD_OPTION', `${name} has no "${key}"; it has ${[...known.keys()].join(', ')}`);
    }
    const factor = key === 'width' || key === 'depth';
    if (!alike(value, like, factor)) {
      const wanted = wantedLike(like, factor);
      throw fail('USAGE_BAD_OPTION', `${name}: ${key} is ${JSON.stringify(value)}, not ${wanted}`);
    }
  }
  return Object.fromEntries(entries) as Partial<Options>;
}

function alike(value: unknown, like: unknown, factor: boolean): boolean {
  if (Array.isArray(like)) {
    // An empty default is a list of names, of any length; another one a list of so many counts.
    if (!Array.isArray(value)) return false;
    if (like.length === 0) return value.every((item) => typeof item === 'string');
    return value.length === like.length && value.every((item, i) => alike(item, like[i], false));
  }
  if (typeof like !== 'number') return typeof value === typeof like;
  if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) return false;
  return factor || Number.isSafeInteger(value);
}

function wantedLike(like: unknown, factor: boolean): string {
  if (Array.isArray(like))
    return like.length === 0 ? 'a list of names' : `${like.length} positive whole numbers`;
  if (typeof like === 'number') return factor ? 'a number above 0' : 'a positive whole number';
  return typeof like === 'boolean' ? 'true or false' : 'a name';
}
