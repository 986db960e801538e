import { runBench } from '../src/load/index.ts';
import { option } from './arguments.ts';
import { heading } from './heading.ts';
import { Pinned, pinHere } from './pinned.ts';
import { type ServedCase, servedCases } from './serve-cases.ts';

/**
 * What a server costs beside its model: samples a second over HTTP, one sample a request in binary form, against the engine alone in a
 * loop at its best batch. Server and engine have the same core, one at a time in turns, and the same single thread for the model; the load
 * comes from another core.
 */
const ROUNDS = Number(option('rounds') ?? 5);
const SECONDS = Number(option('seconds') ?? 3);

interface Looped {
  readonly rate: number;
  readonly cpu: number;
  readonly callMs: number;
}

const HOW =
  'server and engine on core 0, load from core 1; one thread for the model; batching on, by default settings';
// Before this process is kept to a core: it tells how many there are.
console.log(heading(`${ROUNDS} rounds of ${SECONDS} s in turns; ${HOW}`));
const loose = pinHere(1);
if (loose !== undefined) console.log(`${loose}: the load takes time from the server\n`);
const core = loose === undefined ? 0 : undefined;
const cases = await servedCases(['scorer', 'ultraface', 'magika', 'spotter']);
console.log(
  '| model | ms a call, single | engine alone, samples/s (batch) | server, samples/s (mean batch) | server / engine | of CPU seconds | CPU of the server beside the engine, µs a request | CPU of the load, µs a request |',
);
console.log('| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |');
for (const one of cases) console.log(`| ${(await measure(one)).join(' | ')} |`);
console.log(`\n${cases.map(({ name, note }) => `${name}: ${note}`).join('; ')}`);

async function measure({ name, path, maxBatch }: ServedCase): Promise<string[]> {
  const { process: engine } = await Pinned.start('serve-program', ['engine', path], core);
  // Deadlines are far: what is asked for here is how much, not how soon.
  const options = JSON.stringify({ goal: { '': 10_000 }, maxBatch, prefer: option('prefer') ?? 'latency' });
  const { process: server, said } = await Pinned.start<{ address: string }>(
    'serve-program',
    ['modicum', name, path, options],
    core,
  );
  try {
    let best: (Looped & { batch: number }) | undefined;
    let single = 0;
    for (let batch = 1; batch <= maxBatch; batch *= 2) {
      const looped = await engine.ask<Looped>({ batch, seconds: 0.5 });
      if (batch === 1) single = looped.callMs;
      if (best === undefined || looped.rate > best.rate) best = { ...looped, batch };
    }
    const { batch } = best!;
    const rows = { engine: [], server: [], ratio: [], cpu: [], beside: [], load: [], batch: [] } as Record<
      'engine' | 'server' | 'ratio' | 'cpu' | 'beside' | 'load' | 'batch',
      number[]
    >;
    for (let round = -1; round < ROUNDS; round++) {
      const alone = await engine.ask<Looped>({ batch, seconds: SECONDS / 2 });
      const [counted, cpu] = [await countsOf(said.address), await server.cpuSeconds()];
      const { result } = await runBench(`${said.address}/v2/models/${name}`, {
        ...{ scenario: 'offline', seconds: round < 0 ? 1 : SECONDS, warmUpSeconds: 0.5 },
        ...{ concurrency: Math.max(4, 3 * maxBatch), seed: round + 2 },
      });
      const [counts, spent] = [await countsOf(said.address), (await server.cpuSeconds()) - cpu];
      if (result.outcomes.ok < result.queries)
        throw new Error(`not all were answered: ${JSON.stringify(result.said)}`);
      // The first warms up.
      if (round < 0) continue;
      const samples = counts.samples - counted.samples;
      rows.engine.push(alone.rate);
      rows.server.push(result.throughput.value!);
      rows.ratio.push(result.throughput.value! / alone.rate);
      rows.cpu.push(alone.cpu / (spent / samples));
      rows.beside.push((spent / samples - alone.cpu) * 1e6);
      rows.load.push((result.generator.processSeconds / result.samples) * 1e6);
      rows.batch.push(samples / (counts.batches - counted.batches));
    }
    return [
      name,
      single.toFixed(2),
      `${median(rows.engine).toFixed(0)} (${batch})`,
      `${median(rows.server).toFixed(0)} (${median(rows.batch).toFixed(1)})`,
      spread(rows.ratio),
      spread(rows.cpu),
      median(rows.beside).toFixed(0),
      median(rows.load).toFixed(0),
    ];
  } finally {
    await engine.end();
    await server.end();
  }
}

/** Samples that were answered and batches that were computed, as the server's metrics say. */
async function countsOf(address: string): Promise<{ samples: number; batches: number }> {
  const text = await (await fetch(`${address}/metrics`)).text();
  const read = (name: string) => Number(new RegExp(`^${name}{[^}]*} (\\S+)$`, 'm').exec(text)?.[1] ?? 0);
  return { samples: read('modicum_batch_size_sum'), batches: read('modicum_batch_size_count') };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

/** Median, the lowest and the highest. */
function spread(values: readonly number[]): string {
  return `${median(values).toFixed(2)} (${Math.min(...values).toFixed(2)} to ${Math.max(...values).toFixed(2)})`;
}
