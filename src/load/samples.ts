import { bind, type Dataset, planBatch } from '../data/index.ts';
import { fixedBatch, randomFeeds } from '../measure/index.ts';
import type { Feeds, Port } from '../run/index.ts';

/** What queries draw from. */
export interface Pool {
  /** Feeds of a call each. */
  readonly feeds: readonly Feeds[];
  /** Samples that one entry holds: 1, but for a model of a fixed batch. */
  readonly samplesPerEntry: number;
  /** Entries can be joined into larger calls. */
  readonly stacks: boolean;
  /** In words. */
  readonly about: string;
}

export interface PoolOptions {
  /** Random values by the ports where absent. */
  readonly data?: Dataset;
  readonly seed: number;
  /** Sizes of named dimensions, for random values. */
  readonly bindings?: Readonly<Record<string, number>>;
  readonly signal?: AbortSignal;
}

const MOST_BYTES = 256 * 2 ** 20;
const MOST_SAMPLES = 16_384;
const RANDOM_SAMPLES = 64;
const RANDOM_BYTES = 64 * 2 ** 20;

/** The samples of a load, in memory. Throws what bind and randomFeeds throw. */
export async function makePool(inputs: readonly Port[], options: PoolOptions): Promise<Pool> {
  const { data, seed, bindings, signal } = options;
  const open = inputs.every(
    ({ shape }) => shape !== undefined && shape.length > 0 && typeof shape[0] !== 'number',
  );
  const feeds: Feeds[] = [];
  let bytes = 0;
  if (data === undefined) {
    const batch = open ? 1 : fixedBatch(inputs);
    while (feeds.length < RANDOM_SAMPLES && bytes < RANDOM_BYTES) {
      const made = randomFeeds(inputs, { batch, seed: seed + feeds.length, bindings });
      bytes += bytesOf(made);
      feeds.push(made);
    }
    const about = `${feeds.length} samples of random values`;
    return { feeds, samplesPerEntry: batch, stacks: open && stackable(feeds), about };
  }
  const { fixed, batch } = planBatch(data, inputs, 1);
  for await (const { feeds: read } of bind(data, inputs, { batch: 1, signal })) {
    feeds.push(read);
    bytes += bytesOf(read);
    if (feeds.length >= MOST_SAMPLES || bytes >= MOST_BYTES) break;
  }
  const whole = feeds.length * batch < data.size ? `the first ${feeds.length * batch} of ` : '';
  const about = `${data.name}: ${whole}${data.size} samples`;
  return { feeds, samplesPerEntry: batch, stacks: open && !fixed && stackable(feeds), about };
}

function bytesOf(feeds: Feeds): number {
  // Strings are counted by a guess.
  const size = (name: string) =>
    feeds[name]!.dtype === 'string' ? feeds[name]!.size * 32 : feeds[name]!.byteLength;
  return Object.keys(feeds).reduce((sum, name) => sum + size(name), 0);
}

/** Samples whose other dimensions agree. */
function stackable(feeds: readonly Feeds[]): boolean {
  const shapeOf = (one: Feeds) => JSON.stringify(Object.values(one).map(({ dims }) => dims));
  const first = feeds[0] === undefined ? '' : shapeOf(feeds[0]);
  return feeds.every(
    (one) => shapeOf(one) === first && Object.values(one).every(({ dims }) => dims[0] === 1),
  );
}
