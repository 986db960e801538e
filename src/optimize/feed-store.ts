import { bind, type Dataset, planBatch } from '../data/index.ts';
import type { Feeds, Port } from '../run/index.ts';

/** Different batches that a timing loop goes round: caches see more than one input, memory holds few. */
const DISTINCT = 4;

/** Real inputs for timing, by batch size, read once each. */
export class FeedStore {
  readonly #dataset: Dataset;
  readonly #kept = new Map<string, Promise<readonly Feeds[]>>();

  constructor(dataset: Dataset) {
    this.#dataset = dataset;
  }

  /** The largest batch that a model with these inputs and this much data can be timed with. */
  largestBatch(inputs: readonly Port[]): number {
    const plan = planBatch(this.#dataset, inputs, this.#dataset.size);
    return plan.fixed ? plan.batch : this.#dataset.size;
  }

  /** Samples a call really holds when this many are wanted: a model of a fixed batch allows no other. */
  batchFor(inputs: readonly Port[], wanted: number): number {
    return planBatch(this.#dataset, inputs, wanted).batch;
  }

  /** Some batches, `count` at most, of exactly this many samples (see batchFor). */
  feeds(inputs: readonly Port[], batch: number, count = DISTINCT): Promise<readonly Feeds[]> {
    const key = JSON.stringify([inputs.map(({ name, dtype, shape }) => [name, dtype, shape]), batch, count]);
    let found = this.#kept.get(key);
    if (found === undefined) {
      found = this.#read(inputs, batch, count);
      this.#kept.set(key, found);
    }
    return found;
  }

  async #read(inputs: readonly Port[], batch: number, count: number): Promise<readonly Feeds[]> {
    const feeds: Feeds[] = [];
    for await (const part of bind(this.#dataset, inputs, { batch })) {
      if (part.indices.length === batch) feeds.push(part.feeds);
      if (feeds.length === count) break;
    }
    return feeds;
  }
}
