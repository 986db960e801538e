import type { Dataset } from '../../data/index.ts';
import type { Model } from '../../graph/index.ts';
import { observe } from './calibrate/observe.ts';
import { spreadIndices } from './calibrate/spread.ts';
import type { ChannelGroup } from './channel-factors.ts';

/** What was seen of the channels of a value; arrays have one number a channel. */
export interface ChannelStatistics {
  readonly low: Float64Array;
  readonly high: Float64Array;
  /** Mean of the squares. */
  readonly power: Float64Array;
}

export interface ChannelOptions {
  /** Samples per run, and at most so many samples in all, evenly spread. */
  readonly batch: number;
  readonly samples: number;
}

/** Lowest, highest and mean square of every channel of the groups' values, by value. Throws what binding and running throw. */
export async function channelStatistics(
  model: Model,
  groups: readonly ChannelGroup[],
  dataset: Dataset,
  { batch, samples }: ChannelOptions,
  signal?: AbortSignal,
): Promise<Map<string, ChannelStatistics>> {
  const seen = new Map(
    groups.map(({ value, channels }) => [
      value,
      {
        low: new Float64Array(channels).fill(Number.POSITIVE_INFINITY),
        high: new Float64Array(channels).fill(Number.NEGATIVE_INFINITY),
        power: new Float64Array(channels),
        rows: 0,
      },
    ]),
  );
  const indices = spreadIndices(dataset.size, samples);
  const look = (value: string, values: Float32Array) => {
    const entry = seen.get(value)!;
    const { low, high, power } = entry;
    const channels = low.length;
    for (let row = 0; row < values.length; row += channels) {
      for (let c = 0; c < channels; c++) {
        const x = values[row + c]!;
        if (x < low[c]!) low[c] = x;
        if (x > high[c]!) high[c] = x;
        power[c]! += x * x;
      }
    }
    entry.rows += values.length / channels;
  };
  await observe(model, dataset, [...seen.keys()], (value, tensor) => look(value, tensor.as('float32')), {
    batch,
    indices,
    signal,
  });
  for (const { power, rows } of seen.values()) for (let c = 0; c < power.length; c++) power[c]! /= rows;
  return seen;
}
