import { type Progress, SILENT, throwIfAborted } from '../base/index.ts';
import type { Dataset } from '../data/index.ts';
import { loadModel } from '../files/index.ts';
import type { Model } from '../graph/index.ts';
import {
  describeMachine,
  executedGraph,
  type Machine,
  openSession,
  type Port,
  profileNodes,
  type SessionSettings,
} from '../run/index.ts';
import { carbonPerMillion, costPerMillion } from './cost.ts';
import { measureEnergy } from './energy.ts';
import { countWork } from './flops.ts';
import { type LimitOptions, type Limits, machineLimits } from './limits.ts';
import { measureMemory } from './memory.ts';
import { PRICES } from './prices.ts';
import { feedsOf, usableBatches } from './profile-feeds.ts';
import { joinLayers, type ProfiledLayer } from './profile-layers.ts';
import type { Measurement } from './record.ts';
import { findRecord } from './recorder.ts';
import { distanceToLimits } from './roofline.ts';
import { type CurvePoint, throughputCurve } from './throughput.ts';

export interface ProfileModelOptions {
  /** Real samples. Default: random inputs, which the report says. */
  readonly data?: Dataset;
  /** Batch sizes. Default 1, 8 and 32, or the one that the model has fixed. */
  readonly batches?: readonly number[];
  /** Intra-op threads. Default: one, and all cores. */
  readonly threads?: readonly number[];
  /** Seconds for each point of the curve, for the energy and for each limit. Default 1. */
  readonly seconds?: number;
  /** USD per hour or a machine of the price list. Default: the list's c7i, by its price for a core. */
  readonly price?: number | string;
  /** Share of the time that the machine answers, for the cost. Default 0.3. */
  readonly utilisation?: number;
  /** Country or cloud region, for CO2. Default: the world. */
  readonly region?: string;
  readonly wattsPerCore?: number;
  /** Sizes of named dimensions, for random inputs. */
  readonly bindings?: Readonly<Record<string, number>>;
  readonly seed?: number;
  /** Provider, graph level, config. */
  readonly settings?: Partial<SessionSettings>;
  /** How the machine's limits are got; false: not at all. */
  readonly limits?: LimitOptions | false;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

/** What a model costs on this machine. Plain JSON. */
export interface ProfileReport {
  readonly version: 1;
  readonly model: {
    readonly path?: string;
    readonly inputs: readonly Port[];
    readonly outputs: readonly Port[];
    readonly opset: number | undefined;
    readonly nodes: number;
    readonly producer: string;
  };
  /** "random inputs (seed 1)", or the name of the data. */
  readonly inputs: string;
  readonly machine: Machine;
  /** Work, memory, energy, dollars, CO2 and distance to the limits, at `point`. */
  readonly records: readonly Measurement[];
  /** Latency and throughput for every batch and number of threads. */
  readonly curve: readonly CurvePoint[];
  /** The point of highest throughput, which energy and cost hold for; memory, layers and work hold for its batch. */
  readonly point: { readonly batch: number; readonly threads: number };
  /** Executed nodes, in order. */
  readonly layers: readonly ProfiledLayer[];
  /** Nodes of the model of which the work is not known. */
  readonly unknown: readonly { readonly node: string; readonly op: string; readonly why: string }[];
  readonly limits?: Limits;
  /** What was left out, and why; what is noisy. */
  readonly notes: readonly string[];
}

/**
 * Everything about the cost of one model on this machine. Takes about `seconds` for every point of the curve, and some more.
 * Throws what opening and running a model throw, DATA_*, PRICE_UNKNOWN.
 */
export async function profileModel(
  model: Model | string,
  options: ProfileModelOptions = {},
): Promise<ProfileReport> {
  const { seconds = 1, seed = 1, progress = SILENT, signal } = options;
  const machine = describeMachine();
  const threads = options.threads ?? [...new Set([1, machine.availableCores])];
  const known = typeof model === 'string' ? await loadModel(model) : model;
  const base: Partial<SessionSettings> = { ...options.settings, instances: 1 };
  const source = { data: options.data, bindings: options.bindings, seed };
  const stage = progress.stage('profile', 6);
  try {
    const probe = await openSession(model, { ...base, threads: threads[0] });
    const { inputs, outputs } = probe;
    const usable = await usableBatches(probe, options.batches, source).finally(() => probe.dispose());
    const notes: string[] = [...usable.notes];
    const feeds = new Map(
      await Promise.all(
        usable.batches.map(async (batch) => [batch, await feedsOf(inputs, batch, source)] as const),
      ),
    );
    stage.advance(1, 'latency and throughput');
    const curve = await throughputCurve(model, {
      batches: usable.batches,
      threads,
      seconds,
      seed,
      settings: base,
      machine: machine.id,
      feeds: (batch) => feeds.get(batch)!,
      progress,
      signal,
    });
    for (const { batch, threads: count, noise, warmUp } of curve) {
      const where = `at batch ${batch} with ${count} threads`;
      if (noise.noisy) notes.push(`${where}, ${noise.verdict}`);
      if (!warmUp.steady) notes.push(`${where}, the warm-up did not become steady`);
    }
    const rate = (point: CurvePoint) => findRecord(point.records, 'throughput')!;
    const best = curve.reduce((a, b) => (rate(b).value > rate(a).value ? b : a));
    const point = { batch: best.batch, threads: best.threads };
    const session: Partial<SessionSettings> = { ...base, threads: best.threads };
    const given = feeds.get(best.batch)!;
    const settings = { ...point, provider: base.provider ?? 'cpu' };
    const records: Measurement[] = [];

    const work = countWork(known, given[0]!, { settings: { batch: point.batch }, machine: machine.id });
    records.push(...work.records);
    throwIfAborted(signal);

    stage.advance(1, 'time per layer');
    const milliseconds = findRecord(best.records, 'latency.p50')!.value;
    // The profile of a run has a line for every node: a second's worth of runs, within bounds.
    const runs = Math.max(3, Math.min(50, Math.floor(1000 / milliseconds)));
    const times = await profileNodes(model, given, session, { runs, signal });
    const layers = joinLayers(times, await executedGraph(model, session), known, work.layers);

    stage.advance(1, 'peak memory');
    records.push(
      ...(await measureMemory(model, {
        feeds: given[0]!,
        session,
        settings,
        machine: machine.id,
        progress,
        signal,
      })),
    );

    stage.advance(1, 'energy');
    const energy = await energyAt(model, {
      session,
      given,
      batch: point.batch,
      seconds,
      settings,
      machine,
      options,
    });
    records.push(...energy);
    const joules = findRecord(energy, 'energy.per-inference');
    if (joules) records.push(carbonPerMillion(joules, options.region));
    else notes.push(findRecord(energy, 'energy.unknown')?.method ?? 'energy unknown');
    records.push(
      ...costPerMillion(rate(best), { ...priceFor(machine, options), utilisation: options.utilisation }),
    );

    stage.advance(1, "the machine's limits");
    let limits: Limits | undefined;
    if (options.limits !== false && (base.provider ?? 'cpu') === 'cpu') {
      limits = await machineLimits({ seconds, progress, signal, ...options.limits });
      const load = {
        macs: work.total.macs - work.integerMacs,
        integerMacs: work.integerMacs,
        bytes: work.total.weightBytes + work.total.activationBytes,
      };
      records.push(...distanceToLimits(load, milliseconds / 1000, best.threads, limits, settings).records);
      if (work.unknown.length > 0) notes.push(`the work of ${work.unknown.length} nodes is not known`);
    }
    stage.advance();
    return {
      version: 1,
      model: {
        ...(typeof model === 'string' ? { path: model } : {}),
        inputs,
        outputs,
        opset: known.opsets.get(''),
        nodes: known.graph.nodes.length,
        producer: `${known.producer.name} ${known.producer.version}`.trim(),
      },
      inputs: options.data ? options.data.name : `random inputs (seed ${seed})`,
      machine,
      records,
      curve,
      point,
      layers,
      unknown: work.unknown,
      ...(limits ? { limits } : {}),
      notes,
    };
  } finally {
    stage.end();
  }
}

interface EnergyAt {
  readonly session: Partial<SessionSettings>;
  readonly given: Awaited<ReturnType<typeof feedsOf>>;
  readonly batch: number;
  readonly seconds: number;
  readonly settings: Readonly<Record<string, string | number>>;
  readonly machine: Machine;
  readonly options: ProfileModelOptions;
}

async function energyAt(model: Model | string, at: EnergyAt): Promise<Measurement[]> {
  const session = await openSession(model, at.session);
  try {
    const { signal, wattsPerCore } = at.options;
    // The first runs of a session fill its arena.
    await session.loop(at.given, { seconds: Math.min(0.2, at.seconds / 5), signal });
    const provider = at.session.provider;
    return await measureEnergy(
      async () => (await session.loop(at.given, { seconds: at.seconds / 3, signal })).runs * at.batch,
      {
        repeats: 3,
        wattsPerCore,
        gpu: provider === 'cuda' || provider === 'tensorrt',
        cpu: at.machine.cpu,
        settings: at.settings,
        machine: at.machine.id,
        signal,
      },
    );
  } finally {
    await session.dispose();
  }
}

/** The price asked for, else that of as many cores of the list's c7i. */
function priceFor(
  machine: Machine,
  { price }: ProfileModelOptions,
): { price: number | string; origin?: string } {
  if (price !== undefined) return { price };
  const row = PRICES.find(({ name }) => name === 'c7i.large')!;
  const perHour = (row.perHour / row.cpus) * machine.availableCores;
  return {
    price: perHour,
    origin: `${machine.availableCores} cores at the price of those of ${row.name} (${row.provider} ${row.region}, on demand, Linux, ${row.asOf}; ${row.source}), none being given`,
  };
}
