import { type Benched, runBench } from '../src/load/index.ts';
import { quantileOf } from '../src/load/latency-figures.ts';
import { type Measured, measuredOf } from '../src/load/measured.ts';
import type { OpenPlan } from '../src/load/plan.ts';
import { runPlan } from '../src/load/run-plan.ts';
import { digits } from '../src/report/index.ts';
import { md1Server, meanWait, waitQuantile } from '../test/load/md1.ts';
import { VirtualClock } from '../test/load/virtual-clock.ts';
import { option } from './arguments.ts';
import { knownLatencies, serveConstant } from './constant-server.ts';
import { heading } from './heading.ts';

/**
 * Whether the load generator is right: `npm run bench -- load-generator [--queries 2000000] [--seconds 60] [--quick]`, against a
 * server whose service time is constant, which is an M/D/1 queue under Poisson arrivals. In virtual time against the formulas, long
 * enough that chance does not count; in real time, over HTTP, against what the very arrivals of the run must take; and with a stall,
 * beside a generator that waits for its answers.
 */
const quick = process.argv.includes('--quick');
const queries = Number(option('queries') ?? (quick ? 50_000 : 2_000_000));
const seconds = Number(option('seconds') ?? (quick ? 5 : 60));
const SEED = 1;
const LOADS = [0.3, 0.5, 0.7, 0.8, 0.9];

const percent = (part: number) => `${part >= 0 ? '+' : ''}${(100 * part).toFixed(1)} %`;
const mean = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
const sorted = (values: Float64Array) => values.slice().sort();

console.log(heading(`seed ${SEED}`));
await byFormula();
await overHttp();
await withStall();

/** The generator itself: its arrivals, its times, its figures. Time is virtual, so the machine has no say. */
async function byFormula(): Promise<void> {
  console.log(
    `In virtual time, service 1 ms, ${digits(queries)} queries; by the formulas of Pollaczek and Khinchine (mean) and Franx (p99):\n`,
  );
  console.log(
    '| load | mean wait, ms | known | | p99 of the wait, ms | known | | mean latency, ms | known | |',
  );
  console.log('|---|---|---|---|---|---|---|---|---|---|');
  for (const rho of LOADS) {
    const clock = new VirtualClock();
    const plan: OpenPlan = {
      kind: 'open',
      arrivals: { kind: 'poisson', rate: rho * 1000 },
      seed: SEED,
      seconds: queries / (rho * 1000),
      minQueries: 0,
      warmUpSeconds: 5,
      timeoutMs: 1e9,
      maxOutstanding: 1e6,
    };
    const measured = measuredOf(await clock.run(runPlan(md1Server(clock, 1), plan, clock)));
    const waits = sorted(measured.latency).map((ms) => ms - 1);
    const row = [
      [mean(waits), meanWait(rho)],
      [quantileOf(waits, 0.99), waitQuantile(rho, 0.99)],
      [mean(measured.latency), meanWait(rho) + 1],
    ] as const;
    const cells = row.map(
      ([found, known]) => `${found.toFixed(3)} | ${known.toFixed(3)} | ${percent(found / known - 1)}`,
    );
    console.log(`| ${rho} | ${cells.join(' | ')} |`);
  }
}

/** The whole of `modicum bench`, with its process, its client and its real clock. */
async function overHttp(): Promise<void> {
  const serviceMs = 20;
  const server = await serveConstant(serviceMs);
  console.log(
    `\nIn real time, by \`runBench\` over HTTP, service ${serviceMs} ms, ${seconds} s each, beside what the very queries of the run must take: had they been sent when they were due; sent when they were (a busy machine makes the generator late, and it says so); and by how much half of them differ from that:\n`,
  );
  console.log(
    '| load | queries | mean latency, ms | as due | | as sent | | half differ by, ms | | sent late, p99 |',
  );
  console.log('|---|---|---|---|---|---|---|---|---|---|');
  try {
    for (const rho of LOADS) {
      const rates = [(rho * 1000) / serviceMs];
      const loaded = await load(server.url, rates, seconds);
      const { result, measured } = loaded;
      const found = mean(measured.latency);
      const due = mean(knownOf(loaded, () => serviceMs));
      const sent = knownOf(loaded, () => serviceMs, 'sent');
      const differ = quantileOf(sorted(measured.latency.map((ms, i) => ms - sent[i]!)), 0.5);
      console.log(
        `| ${rho} | ${result.queries} | ${found.toFixed(2)} | ${due.toFixed(2)} | ${percent(found / due - 1)} | ${mean(sent).toFixed(2)} | ${percent(found / mean(sent) - 1)} | ${differ.toFixed(2)} | **${percent(differ / mean(sent))}** | ${digits(result.lateness?.p99 ?? 0)} ms |`,
      );
    }
  } finally {
    await server.close();
  }
}

/** A stall of a second: seen by queries that are sent when they are due, hidden from a generator that waits. */
async function withStall(): Promise<void> {
  const [serviceMs, stallMs, rate] = [5, 1000, 100];
  const lasts = Math.min(30, seconds);
  const server = await serveConstant(serviceMs);
  console.log(
    `\nOne request in the middle takes ${stallMs} ms instead of ${serviceMs} (${lasts} s, over HTTP; open: Poisson, ${rate}/s; closed: the next query when one is answered):\n`,
  );
  console.log('| generator | queries | above 50 ms | p99, ms | p99.9, ms | largest, ms |');
  console.log('|---|---|---|---|---|---|');
  const row = (name: string, latency: Float64Array) => {
    const all = sorted(latency);
    const over = all.reduce((count, ms) => count + (ms > 50 ? 1 : 0), 0);
    const [p99, p999] = [0.99, 0.999].map((q) => quantileOf(all, q).toFixed(1));
    console.log(
      `| ${name} | ${all.length} | ${over} (${((100 * over) / all.length).toFixed(2)} %) | **${p99}** | ${p999} | ${all.at(-1)!.toFixed(1)} |`,
    );
  };
  try {
    const stalled = Math.round((rate * lasts) / 2);
    // The query before the load, which finds out whether it is answered at all, is number 0.
    server.begin({ stalled: stalled + 1, stallMs });
    const open = await load(server.url, [rate], lasts);
    row('`--scenario server`', open.measured.latency);
    row(
      'known for these arrivals',
      knownOf(open, (i) => (i === stalled ? stallMs : serviceMs)),
    );
    server.begin({ stalled: stalled + 1, stallMs });
    const closed = await runBench(server.url, { scenario: 'single-stream', seconds: lasts, seed: SEED });
    row('a closed loop (`--scenario single-stream`)', measuredIn(closed).latency);
  } finally {
    await server.close();
  }
}

async function load(url: string, rates: number[], lasts: number) {
  const { result, recording } = await runBench(url, {
    scenario: 'server',
    rates,
    seconds: lasts,
    seed: SEED,
  });
  return { result, recording, measured: measuredIn({ result, recording }) };
}

function measuredIn({ result, recording }: Benched): Measured {
  const warmUpMs = result.warmUp.seconds * 1000;
  const endMs = warmUpMs + result.seconds * 1000;
  return measuredOf({ recording, warmUpMs, endMs, partial: false, hopeless: false, said: {} });
}

/**
 * What the measured queries of a load must take from when they were due, by when they were due or sent: with those of the warm-up,
 * whose queue they find.
 */
function knownOf(
  { recording, result }: Benched,
  serviceMs: (query: number) => number,
  by: 'scheduled' | 'sent' = 'scheduled',
): Float64Array {
  const { scheduled } = recording;
  const late = recording[by].map((at, i) => at - scheduled[i]!);
  const known = knownLatencies(recording[by], serviceMs).map((ms, i) => ms + late[i]!);
  return known.filter((_, i) => scheduled[i]! >= result.warmUp.seconds * 1000);
}
