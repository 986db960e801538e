import { spawn } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Random } from '../src/base/index.ts';
import { InferenceClient } from '../src/client/index.ts';
import { openSession } from '../src/run/index.ts';
import { childrenOf, NO_PROC, residentBytes } from '../test/process-tree.ts';
import { normals } from '../test/quantize-nets.ts';
import { ROOT } from '../test/shared-data.ts';
import { option } from './arguments.ts';
import { heading } from './heading.ts';
import { type Phase, type Question, SteadyLoad } from './steady-load.ts';

/**
 * A server under an even load, as `modicum serve` runs it: is a request lost when its model is loaded anew, or its processes are killed, and
 * does the memory of all its processes come back? The load comes from this process, on the same cores.
 */
const MODEL = join(ROOT, 'examples/keyword-spotter/light.onnx');
const NAME = 'spotter';
const MAIN = new URL('../src/cli/main.js', import.meta.url).pathname;
const SHAPE = [1, 1, 49, 10];
/** ms of a phase in which nothing happens. */
const QUIET = 30_000;
/** ms after which a compute process is taken for started. */
const START = 2000;
const MIB = 2 ** 20;

const reloads = Number(option('reloads') ?? 100);
const kills = Number(option('kills') ?? 100);
const rate = Number(option('rate') ?? 150);
const instances = Number(option('instances') ?? 2);
const isolation = option('isolation') ?? 'process';

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;
const quantile = (sorted: readonly number[], q: number) => sorted[Math.ceil(q * sorted.length) - 1]!;

async function questions(): Promise<Question[]> {
  const session = await openSession(MODEL, { threads: 1 });
  const all: Question[] = [];
  for (let seed = 0; seed < 16; seed++) {
    const inputs = { mfcc: normals(new Random(seed), SHAPE) };
    const { scores } = await session.run(inputs);
    all.push({ inputs, output: 'scores', answer: Array.from(scores!.numbers()) });
  }
  await session.dispose();
  return all;
}

async function startServer(folder: string) {
  const line = [
    ...['serve', folder, '--port', '0', '--grpc-port', 'off', '--no-dashboard', '--no-watch', '--management'],
    ...['--instances', String(instances), '--threads', '1', '--isolation', isolation, '--goal', '10s'],
    ...['--grace', '0s', '--log-level', 'silent'],
  ];
  const child = spawn(process.execPath, [MAIN, ...line], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  let said = '';
  for await (const text of child.stdout.setEncoding('utf8')) {
    said += text;
    if (said.includes('Ctrl-C ends it')) break;
  }
  const url = /serves at (\S+)/.exec(said)?.[1];
  if (url === undefined) throw new Error(`it does not serve: ${said}`);
  const end = async () => {
    child.kill('SIGTERM');
    return ended;
  };
  return { url, pid: child.pid!, end };
}

interface Memory {
  readonly server: number;
  readonly children: number;
  /** Of both together. */
  readonly least: number;
  readonly most: number;
}

/** Resident memory of the server and of what it has started, four times a second; medians over all but the first sixth. */
async function memory(pid: number, ms: number): Promise<Memory> {
  await delay(ms / 6);
  const [server, children]: [number[], number[]] = [[], []];
  for (let left = (ms * 5) / 6; left > 0; left -= 250) {
    const all = await Promise.all((await childrenOf(pid)).map(residentBytes));
    server.push(await residentBytes(pid));
    children.push(all.reduce((sum, one) => sum + one, 0));
    await delay(250);
  }
  const sums = server.map((own, i) => own + children[i]!);
  return {
    ...{ server: median(server), children: median(children) },
    ...{ least: Math.min(...sums), most: Math.max(...sums) },
  };
}

function phaseRow(name: string, { due, right, wrong, failed, latencies }: Phase): string {
  const ms = (q: number) => `${quantile(latencies, q).toFixed(1)} ms`;
  const failures = [...failed].map(([code, n]) => `${n} ${code}`).join(', ') || '0';
  const share = `${((100 * right) / due).toFixed(3)} %`;
  return `| ${name} | ${due} | ${share} | ${wrong} | ${failures} | ${ms(0.5)} | ${ms(0.99)} | ${ms(1)} |`;
}

async function main(): Promise<void> {
  if (NO_PROC) return console.log(`skipped: ${NO_PROC}`);
  const folder = await mkdtemp(join(tmpdir(), 'modicum-robust-'));
  await mkdir(join(folder, NAME, '1'), { recursive: true });
  await copyFile(MODEL, join(folder, NAME, '1', 'model.onnx'));
  const server = await startServer(folder);
  try {
    const client = new InferenceClient(server.url, { retries: 0 });
    const load = new SteadyLoad(client, NAME, await questions(), rate);
    const reload = async (times: number) => {
      for (let i = 0; i < times; i++) {
        const { status } = await fetch(`${server.url}/v2/repository/models/${NAME}/load`, { method: 'POST' });
        if (status !== 200) throw new Error(`reload ${i + 1}: ${status}`);
      }
    };
    const random = new Random(1);
    let killed = 0;
    const kill = async () => {
      const seenAt = new Map<number, number>();
      while (killed < kills) {
        await delay(200 + 400 * random.uniform());
        const now = performance.now();
        const alive = await childrenOf(server.pid);
        for (const pid of alive) if (!seenAt.has(pid)) seenAt.set(pid, now);
        // Only of those that have had time to start, and not the last one: on a busy machine a start takes longer than the time between two kills.
        const old = alive.filter((pid) => now - seenAt.get(pid)! > START);
        const pid = old[Math.floor(random.uniform() * old.length)];
        if (pid === undefined || alive.length < instances) continue;
        process.kill(pid, 'SIGKILL');
        killed++;
      }
    };
    load.start();
    // What a server has seen once is in its baseline: code that is compiled, pools that have grown.
    await reload(10);
    const rows: string[] = [];
    const sizes: [string, Memory][] = [];
    const quiet = async (name: string) => {
      const phase = await load.during(async () => {
        sizes.push([name, await memory(server.pid, QUIET)]);
      });
      rows.push(phaseRow(name, phase));
    };
    await quiet('before');
    const began = performance.now();
    rows.push(phaseRow(`${reloads} reloads`, await load.during(() => reload(reloads))));
    const eachMs = (performance.now() - began) / reloads;
    await quiet('after the reloads');
    if (isolation === 'process' && kills > 0) {
      rows.push(phaseRow(`${kills} kills`, await load.during(kill)));
      await quiet('after the kills');
    }
    await load.stop();
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    const retried = /^modicum_retries_total\{.*\} (\d+)$/m.exec(metrics)?.[1] ?? '0';
    console.log(
      heading(
        `modicum serve, keyword-spotter light, ${instances} instances of one thread (${isolation}), ${rate} queries a second, no tries again by the client; seed 1`,
      ),
    );
    console.log('| phase | queries | answered right | wrong | failed | p50 | p99 | longest |');
    console.log('|---|---|---|---|---|---|---|---|');
    console.log(`${rows.join('\n')}\n`);
    console.log(
      `A reload took ${eachMs.toFixed(0)} ms. The server computed ${retried} requests again after a kill.\n`,
    );
    console.log(
      '| resident memory, median | server | compute processes | all (least to most) | against before |',
    );
    console.log('|---|---|---|---|---|');
    const first = sizes[0]![1];
    const total = ({ server: own, children }: Memory) => own + children;
    for (const [name, size] of sizes) {
      const mib = (bytes: number) => `${(bytes / MIB).toFixed(0)} MiB`;
      const ratio = (total(size) / total(first)).toFixed(3);
      console.log(
        `| ${name} | ${mib(size.server)} | ${mib(size.children)} | ${mib(total(size))} (${mib(size.least)} to ${mib(size.most)}) | ${ratio} |`,
      );
    }
  } finally {
    const code = await server.end();
    if (code !== 0) console.log(`the server ended with ${code}`);
    await rm(folder, { recursive: true, force: true });
  }
}

await main();
