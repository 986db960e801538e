import { fail, SILENT } from '../base/index.ts';
import { earlyStoppingAllowed } from '../measure/index.ts';
import { type ArrivalSpec, atRate, describeArrivals, meanRate } from './arrivals/index.ts';
import { type BenchOptions, type Settled, settle } from './bench-options.ts';
import { findRate, type TrialAsk } from './find-rate.ts';
import { Generator } from './generator.ts';
import { makeResult, pointOf, type ResultFacts } from './make-result.ts';
import type { GeneratorCpu, Opened } from './messages.ts';
import type { ClosedPlan, OpenPlan, Ran } from './plan.ts';
import type { Recording } from './recording.ts';
import type { FoundRate, LoadPoint, LoadResult } from './result.ts';
import { RULES } from './rules.ts';
import { makePool, type Pool } from './samples.ts';
import { targetSpec } from './target-spec.ts';

/** A bench with every query of its main run. */
export interface Benched {
  readonly result: LoadResult;
  readonly recording: Recording;
}

interface Bench {
  readonly target: string;
  readonly options: Settled;
  readonly generator: Generator;
  readonly opened: Opened;
  readonly pool: Pool;
  readonly notes: string[];
}

interface Done {
  readonly ran: Ran;
  readonly cpu: GeneratorCpu;
}

/**
 * Puts a target under load by one of MLPerf's scenarios: a model file, the folder of a bundle, or the URL of a served model. The load is
 * generated in a process of its own. When the signal fires, what was measured until then is answered, marked partial. Throws
 * USAGE_BAD_OPTION, what opening the target and reading the data throw, WORKER_CRASHED, CANCELLED (before anything was measured), and
 * REMOTE_FAILED or RUNTIME_FAILED where not even a first query is answered.
 */
export async function runBench(target: string, given: BenchOptions): Promise<Benched> {
  const options = settle(given);
  const { scenario, seed, data, bindings, signal } = options;
  signal?.throwIfAborted();
  const bundleSettings = options.bundleSettings ?? (scenario === 'single-stream' ? 'latency' : 'throughput');
  const found = await targetSpec(target, options.settings, bundleSettings);
  const spec = found.kind === 'url' ? { ...found, key: options.key } : found;
  const { generator, opened } = await Generator.open(spec);
  try {
    const pool = await makePool(opened.inputs, { data, seed, bindings, signal });
    await generator.give(pool.feeds, pool.stacks);
    const bench: Bench = { target, options, generator, opened, pool, notes: [] };
    signal?.throwIfAborted();
    if (scenario === 'server') return await benchServer(bench);
    return scenario === 'offline' ? await benchOffline(bench) : await benchStream(bench);
  } finally {
    await generator.close();
  }
}

async function benchStream(bench: Bench): Promise<Benched> {
  const { options } = bench;
  const { samplesPerQuery, minQueries } = RULES[options.scenario];
  await touch(bench, samplesPerQuery);
  const plan: ClosedPlan = {
    ...common(options),
    kind: 'closed',
    samplesPerQuery,
    concurrency: 1,
    minQueries: options.strict ? minQueries : 1,
  };
  const { ran, cpu } = await watched(bench, options.scenario, plan);
  return benched(bench, ran, cpu, { samplesPerQuery });
}

async function benchOffline(bench: Bench): Promise<Benched> {
  const { options, opened, pool, notes } = bench;
  const inProcess = opened.concurrency !== undefined;
  let batch = options.batch ?? opened.batch ?? (inProcess ? 32 : 1);
  if (!pool.stacks && batch > 1) {
    notes.push(`samples cannot be put together for this model: a call has ${pool.samplesPerEntry}`);
    batch = 1;
  }
  const concurrency = options.concurrency ?? (inProcess ? 2 * opened.concurrency! : 64);
  batch = (await touch(bench, batch)) ? batch : 1;
  const base: ClosedPlan = {
    ...common(options),
    kind: 'closed',
    samplesPerQuery: batch,
    concurrency,
    minQueries: 1,
  };
  // How many samples fill the time is not known before; a short load tells.
  const trial = await bench.generator.run(
    { ...base, seconds: 1, warmUpSeconds: 0.5 },
    { signal: options.signal },
  );
  const answers = trial.ran.recording.size.reduce((sum, size) => sum + size, 0);
  const rate = answers / Math.max(0.001, trial.ran.endMs / 1000);
  const least = options.strict ? Math.ceil(RULES.offline.minQueries / pool.samplesPerEntry) : 1;
  const totalSamples = Math.max(
    least,
    Math.ceil((rate * options.seconds * (options.strict ? 1.1 : 1)) / batch) * batch,
  );
  const { ran, cpu } = await watched(bench, options.scenario, { ...base, totalSamples });
  notes.push(`calls of ${batch * pool.samplesPerEntry} samples, ${concurrency} at once`);
  return benched(bench, ran, cpu, { samplesPerQuery: batch });
}

async function benchServer(bench: Bench): Promise<Benched> {
  const { options } = bench;
  await touch(bench, 1);
  if (options.arrivals?.kind === 'trace') await warmUp(bench);
  if (options.find) return await benchFind(bench);
  const spec: ArrivalSpec = options.arrivals ?? { kind: 'poisson', rate: options.rates![0]! };
  const rates = options.rates ?? [undefined];
  const curve: LoadPoint[] = [];
  let last: Benched | undefined;
  for (const rate of rates) {
    const arrivals = rate === undefined ? spec : atRate(spec, rate);
    const { ran, cpu } = await watched(bench, describeArrivals(arrivals), openPlan(options, arrivals));
    const mean = rate ?? (arrivals.kind === 'trace' ? meanRate(arrivals) : arrivals.rate) ?? 0;
    curve.push(point(bench, ran, mean, 'asked for'));
    if (rates.length > 1) options.onTrial?.(curve.at(-1)!);
    last = benched(bench, ran, cpu, {
      samplesPerQuery: 1,
      arrivals,
      curve: rates.length > 1 ? curve : undefined,
    });
    if (options.signal?.aborted) break;
  }
  return last!;
}

/** Queries of a probe at least, so that 1 % of them is more than one. */
const PROBE_QUERIES = 200;
/** Queries of a confirmation at least: early stopping allows one of them above the bound. */
const CONFIRMATION_QUERIES = 662;

async function benchFind(bench: Bench): Promise<Benched> {
  const { options, opened, generator } = bench;
  const p99 = options.p99!;
  const spec: ArrivalSpec = options.arrivals ?? { kind: 'poisson', rate: 1 };
  // What it answers to some callers at once is a first guess at what it can bear.
  const concurrency = 2 * (opened.concurrency ?? 4);
  const guess: ClosedPlan = {
    ...common(options),
    kind: 'closed',
    samplesPerQuery: 1,
    concurrency,
    minQueries: 1,
    seconds: 1,
    warmUpSeconds: 0.5,
  };
  const { ran: first } = await generator.run(guess, { signal: options.signal });
  const start = Math.max(
    0.01,
    (0.7 * first.recording.scheduled.length) / Math.max(0.001, first.endMs / 1000),
  );
  const stage = (options.progress ?? SILENT).stage('looking for the highest rate', 0);
  let best: { ran: Ran; cpu: GeneratorCpu; arrivals: ArrivalSpec; rate: number } | undefined;
  const trial = async ({ rate, purpose, turn }: TrialAsk) => {
    const arrivals = atRate(spec, rate);
    const probe = purpose === 'probe';
    const seconds = probe ? Math.max(1, options.seconds / 4) : options.seconds;
    const minQueries = probe ? PROBE_QUERIES : CONFIRMATION_QUERIES;
    const known = arrivals.kind === 'trace' ? arrivals.times.length : Number.POSITIVE_INFINITY;
    const planned = Math.min(known, Math.max(minQueries, rate * seconds));
    const over = probe
      ? Math.floor(planned * 0.01)
      : (earlyStoppingAllowed(Math.ceil(planned * 1.1), 0.99) ?? 0);
    const plan: OpenPlan = {
      ...openPlan({ ...options, seconds, seed: options.seed + turn }, arrivals),
      minQueries,
      giveUp: { boundMs: p99, over: Math.max(1, over) },
    };
    const { ran, cpu } = await generator.run(plan, { signal: options.signal });
    await settleDown(bench);
    const found = pointOf(ran, { rate, p99, purpose, samplesPerEntry: bench.pool.samplesPerEntry });
    stage.advance(1, `${rate.toPrecision(3)}/s ${found.met ? 'kept' : 'broken'}`);
    // Of the search the run that decided is told in full; until then, the best so far.
    if (best === undefined || found.met || (purpose === 'confirmation' && rate <= best.rate)) {
      best = { ran, cpu, arrivals, rate };
    }
    return found;
  };
  try {
    const { found, curve } = await findRate(trial, {
      start,
      onTrial: options.onTrial,
      signal: options.signal,
    });
    if (best === undefined) throw fail('CANCELLED', 'before anything was measured');
    return benched(bench, best.ran, best.cpu, { samplesPerQuery: 1, arrivals: best.arrivals, curve, found });
  } finally {
    stage.end();
  }
}

/** After a load that was too high, waits until a query alone is answered as fast as the bound: the next trial finds no queue. */
async function settleDown({ generator, options }: Bench): Promise<void> {
  const alone: ClosedPlan = {
    ...common(options),
    kind: 'closed',
    samplesPerQuery: 1,
    concurrency: 1,
    minQueries: 1,
    seconds: 0,
    warmUpSeconds: 0,
  };
  const deadline = performance.now() + options.timeoutMs;
  while (performance.now() < deadline && !options.signal?.aborted) {
    const { ran } = await generator.run(alone, { signal: options.signal });
    const took = (ran.recording.done[0] ?? 0) - (ran.recording.scheduled[0] ?? 0);
    if (ran.recording.outcome[0] === 0 && took <= (options.p99 ?? took)) return;
  }
}

/**
 * One query before all others. Answers false where several samples in a call were refused and are sent as calls of their own from now
 * on; throws where not even a single one is answered.
 */
async function touch(bench: Bench, samplesPerQuery: number): Promise<boolean> {
  const { generator, options, pool, notes, target } = bench;
  const plan: ClosedPlan = {
    ...common(options),
    kind: 'closed',
    samplesPerQuery,
    concurrency: 1,
    minQueries: 1,
    seconds: 0,
    warmUpSeconds: 0,
  };
  const { ran } = await generator.run(plan, { signal: options.signal });
  options.signal?.throwIfAborted();
  const { refused, failed, connection } = ran.said;
  const why = refused ?? failed ?? connection;
  if (why === undefined) return true;
  if (samplesPerQuery === 1 || !pool.stacks) {
    throw fail(
      /:\/\//.test(target) ? 'REMOTE_FAILED' : 'RUNTIME_FAILED',
      `the first query was not answered (${why})`,
    );
  }
  await generator.give(pool.feeds, false);
  await touch({ ...bench, pool: { ...pool, stacks: false } }, samplesPerQuery);
  notes.push(
    `a call of ${samplesPerQuery} samples is refused (${why}): samples are sent as calls of their own, at once`,
  );
  return false;
}

/** Calls one after the other, for what has no warm-up of its own. */
async function warmUp({ generator, options, notes }: Bench): Promise<void> {
  const { warmUpSeconds, signal } = options;
  if (warmUpSeconds === 0) return;
  const plan: ClosedPlan = {
    ...common(options),
    kind: 'closed',
    samplesPerQuery: 1,
    concurrency: 1,
    minQueries: 1,
    seconds: warmUpSeconds,
    warmUpSeconds: 0,
  };
  await generator.run(plan, { signal });
  notes.push(`before the trace, single calls for ${warmUpSeconds} s, not measured`);
}

function common({ seed, seconds, warmUpSeconds, timeoutMs }: Settled) {
  return { seed, seconds, warmUpSeconds, timeoutMs };
}

function openPlan(options: Settled, arrivals: ArrivalSpec): OpenPlan {
  return {
    ...common(options),
    kind: 'open',
    arrivals,
    minQueries: 1,
    maxOutstanding: options.maxOutstanding,
    // A trace is measured whole; what warms up runs before it.
    ...(arrivals.kind === 'trace' && { warmUpSeconds: 0 }),
  };
}

/** A run with its progress drawn. */
async function watched(bench: Bench, label: string, plan: OpenPlan | ClosedPlan): Promise<Done> {
  const { generator, options } = bench;
  const seconds = Math.ceil(plan.seconds + plan.warmUpSeconds);
  const total = Number.isFinite(seconds) ? seconds : 0;
  const stage = (options.progress ?? SILENT).stage(label.slice(0, 28), total);
  const began = performance.now();
  let drawn = 0;
  try {
    return await generator.run(plan, {
      signal: options.signal,
      onProgress: (queries) => {
        const spent = Math.min(seconds, Math.floor((performance.now() - began) / 1000));
        if (spent > drawn) stage.advance(spent - drawn, `${queries} queries`);
        drawn = Math.max(drawn, spent);
      },
    });
  } finally {
    stage.end();
  }
}

function point({ options, pool }: Bench, ran: Ran, rate: number, purpose: LoadPoint['purpose']): LoadPoint {
  return pointOf(ran, { rate, p99: options.p99, purpose, samplesPerEntry: pool.samplesPerEntry });
}

interface Shown {
  readonly samplesPerQuery: number;
  readonly arrivals?: ArrivalSpec;
  readonly curve?: readonly LoadPoint[];
  readonly found?: FoundRate;
}

function benched(bench: Bench, ran: Ran, cpu: GeneratorCpu, shown: Shown): Benched {
  const { target, opened, pool, options, notes } = bench;
  if (ran.partial && ran.recording.scheduled.length === 0) {
    throw fail('CANCELLED', 'before anything was measured');
  }
  const { samplesPerQuery, arrivals, curve, found } = shown;
  const facts: ResultFacts = {
    target,
    opened,
    pool,
    options,
    samplesPerQuery,
    arrivals: arrivals === undefined ? undefined : describeArrivals(arrivals),
    poisson: arrivals?.kind === 'poisson',
    notes: [...notes],
  };
  const result = makeResult(ran, cpu, facts);
  const whole = found === undefined ? result : withFound(result, found, options.signal?.aborted === true);
  return { result: { ...whole, curve }, recording: ran.recording };
}

/** Of a search the figure is the rate that was found. */
function withFound(result: LoadResult, found: FoundRate, stopped: boolean): LoadResult {
  const broken = result.rules.broken.filter((rule) => !rule.startsWith('it was stopped'));
  if (stopped) broken.push('it was stopped before its end');
  if (!found.confirmed) broken.push('the rate found is not confirmed');
  return {
    ...result,
    found,
    partial: stopped,
    rules: { kept: broken.length === 0, broken },
    metric: {
      name: 'highest queries per second',
      value: found.rate,
      unit: '1/s',
      how: `with 99 % answered within ${result.bound?.ms} ms: ${found.why}`,
    },
  };
}
