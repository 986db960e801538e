import type { Model } from '../../graph/index.ts';
import {
  type Feeds,
  type NodeTime,
  openSession,
  profileNodes,
  type SessionSettings,
} from '../../run/index.ts';
import { exposed } from './calibrate/observe.ts';
import { originOf } from './executed-origin.ts';
import { MinCut } from './min-cut.ts';
import type { Placement } from './placement.ts';
import type { Selection } from './selection.ts';
import type { Site } from './sites.ts';
import { placementOf, withNames } from './static.ts';

export interface SlowOptions {
  /** The settings that the model will run with: what is slow depends on them. */
  readonly settings?: Partial<SessionSettings>;
  /** Profiled runs of each variant. Default 30. */
  readonly runs?: number;
  /** Share by which integers must be faster to be kept: a guard against the noise of the clock. Default 0.05. */
  readonly margin?: number;
  /** The selection with which the quantized model was made. */
  readonly selection?: Selection;
  readonly signal?: AbortSignal;
}

/** Time of a place (a node with what fuses into it) in both variants. */
export interface PlaceTime {
  readonly node: string;
  readonly op: string;
  /** Mean microseconds per run, from the runtime's profiler. */
  readonly float: number;
  readonly integer: number;
}

export interface SlowNodes {
  readonly times: readonly PlaceTime[];
  /** Names of the nodes that cost more in 8 bits, conversions at the edges counted in: exclude them. */
  readonly exclude: readonly string[];
  /** Microseconds per run that this should save. */
  readonly saved: number;
}

/**
 * Finds what runs slower on integers, by measurement: profiles the float and the quantized model on the same feeds, and divides the graph so that
 * the time of all places and of the QuantizeLinear and DequantizeLinear between the two sides is least (a smallest cut).
 * `float` is the model that was quantized, `quantized` what quantize-static made of it. Throws what profiling throws.
 */
export async function findSlowNodes(
  float: Model,
  quantized: Model,
  feeds: Feeds,
  options: SlowOptions = {},
): Promise<SlowNodes> {
  const { settings, runs = 30, margin = 0.05, selection = {}, signal } = options;
  const named = withNames(float);
  const placement = placementOf(named, selection);
  const [floatTimes, integerTimes] = await alternate([named, quantized], feeds, settings, { runs, signal });
  const sizes = await elementsOf(named, [...placement.values], feeds);
  const [inFloat, inInteger] = [attribute(placement, floatTimes), attribute(placement, integerTimes)];
  const conversion = conversionRates(integerTimes, sizes);
  const times = placement.sites.map((site) => ({
    node: site.node.name,
    op: site.node.op,
    float: inFloat.get(site) ?? 0,
    integer: inInteger.get(site) ?? 0,
  }));
  const costs = times.map(({ float: f, integer: i }) => ({ float: f, integer: i * (1 + margin) }));
  const keep = divide(named, placement, costs, (value) => {
    const size = sizes.get(value) ?? 0;
    return { quantize: conversion.quantize * size, dequantize: conversion.dequantize * size };
  });
  const exclude: string[] = [];
  let saved = 0;
  for (const [i, site] of placement.sites.entries()) {
    if (keep[i]) continue;
    exclude.push(site.node.name);
    saved += times[i]!.integer - times[i]!.float;
  }
  return { times, exclude, saved };
}

/** Rounds in turn, so that what disturbs the machine for a while hits both; the quietest one counts for each node. */
const ROUNDS = 3;

async function alternate(
  models: readonly [Model, Model],
  feeds: Feeds,
  settings: Partial<SessionSettings> | undefined,
  { runs, signal }: { runs: number; signal: AbortSignal | undefined },
): Promise<[NodeTime[], NodeTime[]]> {
  const best: [Map<string, NodeTime>, Map<string, NodeTime>] = [new Map(), new Map()];
  for (let round = 0; round < ROUNDS; round++) {
    for (const which of [0, 1] as const) {
      const times = await profileNodes(models[which], feeds, settings, {
        runs: Math.ceil(runs / ROUNDS),
        signal,
      });
      for (const time of times) {
        const key = `${time.op} ${time.name}`;
        const known = best[which].get(key);
        if (known === undefined || time.microseconds < known.microseconds) best[which].set(key, time);
      }
    }
  }
  return [[...best[0].values()], [...best[1].values()]];
}

/** Times of executed nodes, given to the places that they came from. */
function attribute({ sites }: Placement, times: readonly NodeTime[]): Map<Site, number> {
  const origin = new Map<string, Site>();
  for (const site of sites) {
    for (const node of [site.node, ...site.tail]) {
      origin.set(node.name, site);
      // Nodes in the runtime's own layout bear the name of the value that they make.
      for (const output of node.outputs) if (output !== '') origin.set(output, site);
    }
  }
  const sums = new Map<Site, number>();
  for (const { name, op, microseconds } of times) {
    if (op === 'QuantizeLinear' || op === 'DequantizeLinear') continue;
    const site = originOf(name, origin);
    if (site !== undefined) sums.set(site, (sums.get(site) ?? 0) + microseconds);
  }
  return sums;
}

/** Elements of values on these feeds. */
async function elementsOf(
  model: Model,
  values: readonly string[],
  feeds: Feeds,
): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  const session = await openSession(exposed(model, values), { threads: 1 });
  try {
    const inner = values.filter((value) => feeds[value] === undefined);
    const fetched = inner.length > 0 ? await session.run(feeds, { outputs: inner }) : {};
    for (const value of values) sizes.set(value, (feeds[value] ?? fetched[value])?.size ?? 0);
  } finally {
    await session.dispose();
  }
  return sizes;
}

/** What starting any kernel costs, in microseconds: the least that a conversion is counted with. */
const LEAST = 1;
/** Microseconds an element where the quantized model has no such node to measure: about 2 GB/s. */
const ASSUMED = 0.002;

/** Microseconds an element of QuantizeLinear and DequantizeLinear in this very profile. */
function conversionRates(times: readonly NodeTime[], sizes: ReadonlyMap<string, number>) {
  const rate = (op: string, suffix: string) => {
    let spent = 0;
    let elements = 0;
    for (const time of times) {
      if (time.op !== op) continue;
      const size = sizes.get(time.name.replace(/(_token_\d+)+$/, '').replace(suffix, ''));
      if (size === undefined || size === 0) continue;
      spent += Math.max(0, time.microseconds - LEAST);
      elements += size;
    }
    return elements > 0 ? spent / elements : ASSUMED;
  };
  return { quantize: rate('QuantizeLinear', ':Q'), dequantize: rate('DequantizeLinear', ':DQ') };
}

/** For each site whether it stays on integers in the division of least total time. */
function divide(
  model: Model,
  { sites, values, makers }: Placement,
  costs: readonly { float: number; integer: number }[],
  conversion: (value: string) => { quantize: number; dequantize: number },
): boolean[] {
  const cut = new MinCut();
  const at = new Map(sites.map((site) => [site, cut.node()]));
  for (const [i, site] of sites.entries()) {
    cut.edge(cut.source, at.get(site)!, costs[i]!.float);
    cut.edge(at.get(site)!, cut.sink, costs[i]!.integer);
  }
  const inSite = new Set(sites.flatMap((site) => [site.node, ...site.tail]));
  for (const value of values) {
    const { quantize, dequantize } = conversion(value);
    const maker = makers.get(value);
    const producer = maker === undefined ? cut.sink : at.get(maker)!;
    const consumers = sites
      .filter((site) => site.activations.some((activation) => activation.value === value))
      .map((site) => at.get(site)!);
    const floatReader =
      model.graph.outputs.some(({ name }) => name === value) ||
      model.graph.nodes.some((node) => node.inputs.includes(value) && !inSite.has(node));
    if (floatReader) consumers.push(cut.sink);
    // One DequantizeLinear where the maker is on integers and any reader is not; one QuantizeLinear in the other case.
    const [dq, q] = [cut.node(), cut.node()];
    cut.edge(producer, dq, LEAST + dequantize);
    cut.edge(q, producer, LEAST + quantize);
    for (const consumer of consumers) {
      cut.edge(dq, consumer, Number.POSITIVE_INFINITY);
      cut.edge(consumer, q, Number.POSITIVE_INFINITY);
    }
  }
  const side = cut.solve();
  return sites.map((site) => side[at.get(site)!]!);
}
