import { createHash } from 'node:crypto';
import { fail, Random } from '../base/index.ts';
import type { Dataset } from './dataset.ts';
import { sampleBytes } from './source.ts';
import { row, subset } from './subset.ts';

export interface SplitOptions {
  /** The same seed and data give the same parts. */
  readonly seed: number;
  /** Samples (whole number), or a share of all (below 1). Default: 20 %, at most 512. */
  readonly calibration?: number;
  /** As above. Default: 30 %. */
  readonly search?: number;
  /** As above. Default: all that is left. */
  readonly heldOut?: number;
  /**
   * Keeps samples with the same content together, so that no part knows the answers of another; this reads all the
   * data once. Default: where the data takes at most 512 MiB.
   */
  readonly dedupe?: boolean;
  readonly signal?: AbortSignal;
}

export interface Split {
  /** To set the ranges of quantizers by. */
  readonly calibration: Dataset;
  /** To compare variants by while searching. */
  readonly search: Dataset;
  /** To judge the chosen variant by; nothing was tuned on it. */
  readonly heldOut: Dataset;
  /** Which samples went where, by their numbers in the dataset that was split. */
  readonly indices: Readonly<Record<PartName, Uint32Array>>;
  /** The rule, in words, with the seed and the sizes. */
  readonly rule: string;
}

type PartName = 'calibration' | 'search' | 'heldOut';
const PARTS: readonly PartName[] = ['calibration', 'search', 'heldOut'];

const DEDUPE_BYTES = 512 * 2 ** 20;
const MOST_STRATA = 4096;

/**
 * Splits a dataset into calibration, search and held-out parts; no sample is in two of them. Samples are shuffled with
 * the seed within each class (where labels are class numbers), then each goes to the part that is furthest behind its
 * share, so that every part has its share of every class. Throws DATA_TOO_FEW.
 */
export async function split(dataset: Dataset, options: SplitOptions): Promise<Split> {
  const { seed, signal } = options;
  const wanted = sizesOf(dataset, options);
  const bytes = dataset.size * dataset.fields.reduce((sum, field) => sum + sampleBytes(field), 0);
  const dedupe = options.dedupe ?? bytes <= DEDUPE_BYTES;
  const classes = await classesOf(dataset, signal);
  const groups = dedupe ? await groupsOf(dataset, signal) : singles(dataset.size);
  const parts = deal(ordered(groups, classes, new Random(seed)), wanted);
  for (const name of PARTS) {
    if (wanted[name] > 0 && parts[name].length === 0) {
      const why = `${dataset.name}: too many of the ${dataset.size} samples are equal, none is left for ${name}`;
      throw fail('DATA_TOO_FEW', why);
    }
  }
  const part = (name: PartName, words: string) =>
    parts[name].length > 0
      ? subset(dataset, parts[name], `${dataset.name} (${words})`)
      : empty(dataset, words);
  return {
    calibration: part('calibration', 'calibration'),
    search: part('search', 'search'),
    heldOut: part('heldOut', 'held out'),
    indices: parts,
    rule: ruleOf(dataset, parts, seed, classes !== undefined, dedupe ? groups.length : undefined),
  };
}

function sizesOf(dataset: Dataset, options: SplitOptions): Record<PartName, number> {
  const { size } = dataset;
  const count = (value: number, name: string): number => {
    if (!(value >= 0) || (value >= 1 && !Number.isInteger(value))) {
      throw fail('USAGE_BAD_OPTION', `${name}: ${value} is neither a number of samples nor a share below 1`);
    }
    return value > 0 && value < 1 ? Math.max(1, Math.round(value * size)) : value;
  };
  const calibration = count(
    options.calibration ?? Math.max(1, Math.min(512, Math.floor(size / 5))),
    'calibration',
  );
  const search = count(options.search ?? Math.max(1, Math.floor(0.3 * size)), 'search');
  const heldOut = count(options.heldOut ?? Math.max(1, size - calibration - search), 'heldOut');
  if (calibration + search + heldOut > size) {
    const parts = `${calibration} to calibrate, ${search} to search and ${heldOut} to hold out`;
    throw fail('DATA_TOO_FEW', `${dataset.name} has ${size} samples, ${parts} are wanted`);
  }
  return { calibration, search, heldOut };
}

/** The class number of each sample, where labels are such. */
async function classesOf(dataset: Dataset, signal?: AbortSignal): Promise<Int32Array | undefined> {
  const { labels } = dataset;
  if (labels === undefined || labels.dtype === 'float32' || labels.dims.some((dim) => dim !== 1))
    return undefined;
  const classes = new Int32Array(dataset.size);
  const seen = new Set<number>();
  let at = 0;
  for await (const batch of dataset.read({ batch: 1024, fields: [], signal })) {
    for (const number of batch.labels?.numbers() ?? []) {
      seen.add(number);
      classes[at++] = number;
    }
    if (seen.size > MOST_STRATA) return undefined;
  }
  return classes;
}

/** Samples of equal content, together; in order of their first sample. */
async function groupsOf(dataset: Dataset, signal?: AbortSignal): Promise<readonly number[][]> {
  const byContent = new Map<string, number[]>();
  for await (const { indices, feeds } of dataset.read({ signal })) {
    const all = Object.values(feeds).map((tensor) => tensor.bytes());
    for (const [i, index] of indices.entries()) {
      const hash = createHash('sha1');
      for (const bytes of all) hash.update(row(bytes, i, indices.length));
      const key = hash.digest('base64');
      const group = byContent.get(key);
      if (group) group.push(index);
      else byContent.set(key, [index]);
    }
  }
  return [...byContent.values()];
}

function singles(size: number): readonly number[][] {
  return Array.from({ length: size }, (_, index) => [index]);
}

/** Class after class, shuffled within each. A group counts to the class of its first sample. */
function ordered(groups: readonly number[][], classes: Int32Array | undefined, random: Random): number[][] {
  const strata = new Map<number, number[][]>();
  for (const group of groups) {
    const stratum = classes?.[group[0]!] ?? 0;
    const members = strata.get(stratum);
    if (members) members.push(group);
    else strata.set(stratum, [group]);
  }
  return [...strata.keys()].sort((a, b) => a - b).flatMap((key) => random.shuffle(strata.get(key)!));
}

/** Deals groups to the part furthest behind its share; what no part wants stays out. */
function deal(groups: readonly number[][], wanted: Record<PartName, number>): Record<PartName, Uint32Array> {
  const total = groups.reduce((sum, group) => sum + group.length, 0);
  const rest = total - PARTS.reduce((sum, name) => sum + wanted[name], 0);
  const piles = [...PARTS.map((name) => wanted[name]), rest].map((size) => ({
    size,
    members: [] as number[],
  }));
  let dealt = 0;
  for (const group of groups) {
    dealt += group.length;
    let best = piles[0]!;
    let most = Number.NEGATIVE_INFINITY;
    for (const pile of piles) {
      const full = pile.members.length >= pile.size;
      const behind = full ? Number.NEGATIVE_INFINITY : (pile.size * dealt) / total - pile.members.length;
      if (behind > most) [best, most] = [pile, behind];
    }
    best.members.push(...group);
  }
  const [calibration, search, heldOut] = piles.map((pile) => Uint32Array.from(pile.members).sort());
  return { calibration: calibration!, search: search!, heldOut: heldOut! };
}

function empty(dataset: Dataset, words: string): Dataset {
  const { fields, labels } = dataset;
  return { name: `${dataset.name} (${words})`, size: 0, fields, labels, read: () => nothing() };
}

async function* nothing(): AsyncGenerator<never> {}

function ruleOf(
  dataset: Dataset,
  parts: Record<PartName, Uint32Array>,
  seed: number,
  stratified: boolean,
  distinct: number | undefined,
): string {
  const where = stratified ? 'within each class' : 'as a whole';
  const used = PARTS.reduce((sum, name) => sum + parts[name].length, 0);
  const equal =
    distinct === undefined
      ? 'equal samples were not looked for'
      : `equal samples kept together (${distinct} distinct ones)`;
  return (
    `${dataset.size} samples shuffled ${where} with seed ${seed}, each dealt to the part furthest behind its share: ` +
    `${parts.calibration.length} to calibrate, ${parts.search.length} to search, ${parts.heldOut.length} held out` +
    `${used < dataset.size ? `, ${dataset.size - used} unused` : ''}; ${equal}`
  );
}
