import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { TASKS } from '../examples/tasks.ts';
import { Random, SILENT } from '../src/base/index.ts';
import { bind, type Dataset, inMemory, subset } from '../src/data/index.ts';
import { loadModel } from '../src/files/index.ts';
import { type Model, Tensor } from '../src/graph/index.ts';
import type { Comparison } from '../src/measure/index.ts';
import { type MixResult, mixPrecision } from '../src/mix/index.ts';
import {
  availableCores,
  type Fetches,
  openSession,
  type Port,
  type ProviderName,
  probeProviders,
} from '../src/run/index.ts';
import { architectureByName, buildForMacs, type Task } from '../src/train/index.ts';
import {
  cleanUp,
  freeBatch,
  HALF_DEFAULTS,
  halfPrecision,
  type PassContext,
} from '../src/transform/index.ts';
import { ROOT } from '../test/shared-data.ts';
import { option, wanted } from './arguments.ts';
import { heading } from './heading.ts';
import { race, SEED } from './race.ts';
import { scratch, sharedCases } from './shared-models.ts';

/**
 * A GPU through the webgpu provider: whether answers in float32 and float16 are those of the CPU, and what both and a mix of precisions
 * gain: `npm run bench -- webgpu [names] [--seconds 4] [--batches 1,32] [--precisions fp32,fp16] [--provider webgpu] [--out FILE] [--quick]`.
 * Ends, saying why, where the provider does not start. --quick: short races, the large models made small, no mixes.
 */
const quick = process.argv.includes('--quick');
const seconds = Number(option('seconds') ?? (quick ? 0.5 : 4));
const batches = (option('batches') ?? (quick ? '1,4' : '1,32')).split(',').map(Number);
const precisions = (option('precisions') ?? 'fp32,fp16').split(',') as ('fp32' | 'fp16' | 'int8' | 'int4')[];
const provider = (option('provider') ?? 'webgpu') as ProviderName;
const out = resolve(option('out') ?? 'out/webgpu.json');
/** Samples of each model. */
const SAMPLES = quick ? 16 : 256;
/** Samples whose answers are compared. */
const COMPARED = quick ? 4 : 64;

interface GpuCase {
  readonly name: string;
  readonly note: string;
  model(): Promise<Model>;
  data(model: Model): Promise<Dataset>;
}

/** How far answers are from those of the CPU in float32. */
interface Distance {
  /** Largest difference of any value. */
  readonly difference: number;
  /** Largest value of the CPU. */
  readonly largest: number;
  /** Share of rows of the first output whose largest value stands at the same place; undefined for single values. */
  readonly agreement?: number;
}

const context: PassContext = { progress: SILENT, seed: SEED };
const kept: object[] = [];
/** Whether the provider computes in it. */
let float16 = true;

async function main(): Promise<void> {
  const [report] = await probeProviders({ providers: [provider] });
  if (!report?.available) {
    console.log(`skipped: ${provider} does not start here (${report?.reason})`);
    return;
  }
  console.log(heading(`seed ${SEED}, ${provider}, races of ${seconds} s`));
  float16 = report.float16 === true;
  if (!float16) console.log(`the GPU under ${provider} does not compute in float16: fp32 alone\n`);
  const cases = allCases().filter(({ name }) => wanted(name));
  const models = new Map<GpuCase, { model: Model; half: Model; data: Dataset }>();
  console.log('| model | fp32: largest difference (of) | agree | fp16 | agree |');
  console.log('|---|---|---|---|---|');
  for (const one of cases) {
    try {
      const prepared = await prepare(one);
      models.set(one, prepared);
      const reference = await answers(prepared.model, 'cpu', prepared.data);
      const cells: string[] = [];
      for (const model of float16 ? [prepared.model, prepared.half] : [prepared.model])
        cells.push(await conformity(one, model, reference, prepared.data));
      if (!float16) cells.push('– | –');
      console.log(`| ${one.name} | ${cells.join(' | ')} |`);
    } catch (cause) {
      console.log(`| ${one.name} | ${messageIn(cause)} | | | |`);
    }
  }
  console.log(
    `\n| model | batch | cpu fp32 | ${provider} fp32 | over cpu | fp16 | over fp32 | mix | over fp32 |`,
  );
  console.log('|---|---|---|---|---|---|---|---|---|');
  for (const [one, { model, half, data }] of models) {
    for (const batch of batches) {
      console.log(await timed(one, model, half, data, batch));
      mkdirSync(dirname(out), { recursive: true });
      writeFileSync(out, JSON.stringify(kept, null, 1));
    }
  }
  console.log(`\nall of it: ${out}`);
}

async function prepare(one: GpuCase): Promise<{ model: Model; half: Model; data: Dataset }> {
  const given = await one.model();
  const cleaned = (await cleanUp.apply(given, cleanUp.defaults, context)).model;
  const whole = await one.data(given);
  const data = await subset(
    whole,
    Array.from(
      { length: Math.min(SAMPLES, whole.size) },
      (_, i) => Math.floor((i * whole.size) / SAMPLES) % whole.size,
    ),
  );
  const { model } = await freeBatch.apply(cleaned, freeBatch.defaults, { ...context, calibration: data });
  const half = (await halfPrecision.apply(model, HALF_DEFAULTS, { ...context, calibration: data })).model;
  return { model, half, data };
}

async function answers(model: Model, on: ProviderName, data: Dataset): Promise<Fetches[]> {
  const session = await openSession(model, { provider: on });
  try {
    const found: Fetches[] = [];
    let samples = 0;
    for await (const { feeds, indices } of bind(data, session.inputs, { batch: 8 })) {
      found.push(await session.run(feeds));
      samples += indices.length;
      if (samples >= COMPARED) break;
    }
    return found;
  } finally {
    await session.dispose();
  }
}

/** Two cells of the table. */
async function conformity(
  one: GpuCase,
  model: Model,
  reference: readonly Fetches[],
  data: Dataset,
): Promise<string> {
  try {
    const distance = distanceOf(reference, await answers(model, provider, data));
    kept.push({ model: one.name, ...distance });
    const { difference, largest, agreement } = distance;
    return `${difference.toExponential(1)} (${largest.toPrecision(3)}) | ${agreement === undefined ? '–' : `${(100 * agreement).toFixed(2)} %`}`;
  } catch (cause) {
    return `${messageIn(cause)} | –`;
  }
}

function distanceOf(reference: readonly Fetches[], found: readonly Fetches[]): Distance {
  let [difference, largest, rows, alike] = [0, 0, 0, 0];
  for (const [i, wanted] of reference.entries()) {
    for (const [place, [name, tensor]] of Object.entries(wanted).entries()) {
      const [a, b] = [tensor.numbers(), found[i]![name]!.numbers()];
      for (let k = 0; k < a.length; k++) {
        // A value that is no number is as far off as can be.
        const apart = Math.abs(a[k]! - b[k]!);
        difference = Math.max(difference, Number.isNaN(apart) ? Number.POSITIVE_INFINITY : apart);
        largest = Math.max(largest, Math.abs(a[k]!));
      }
      const width = tensor.dims.at(-1) ?? 1;
      if (place > 0 || width < 2) continue;
      for (let at = 0; at < a.length; at += width, rows++)
        if (argmax(a, at, width) === argmax(b, at, width)) alike++;
    }
  }
  return { difference, largest, ...(rows > 0 && { agreement: alike / rows }) };
}

function argmax(values: ArrayLike<number>, from: number, width: number): number {
  let best = from;
  for (let at = from; at < from + width; at++) if (values[at]! > values[best]!) best = at;
  return best - from;
}

/** A row of the table of times. */
async function timed(one: GpuCase, model: Model, half: Model, data: Dataset, batch: number): Promise<string> {
  const on = (name: ProviderName) => ({
    provider: name,
    threads: name === 'cpu' ? availableCores() : 1,
    instances: 1,
    batch,
  });
  try {
    const mix = quick ? undefined : await mixed(model, data, batch);
    const entries = [
      { title: `${provider} fp32`, model, setting: on(provider) },
      ...(float16 ? [{ title: `${provider} fp16`, model: half, setting: on(provider) }] : []),
      ...(mix instanceof Error || mix === undefined
        ? []
        : [{ title: 'mix', model: mix.chosen.model, setting: on(provider) }]),
    ];
    const raced = await race(entries, data, seconds);
    // Not in one race with the others: threads of the CPU provider that spin would take time from those that feed the GPU.
    const [cpu] = await race([{ title: 'cpu fp32', model, setting: on('cpu') }], data, seconds);
    const named = (title: string) => raced.find(({ name }) => name === title);
    const [fp32, fp16, best] = [raced[0]!, named(`${provider} fp16`), named('mix')];
    const overCpu = cpu!.latency.value / fp32.latency.value;
    kept.push({
      model: one.name,
      batch,
      cpu,
      raced,
      overCpu,
      ...(mix &&
        !(mix instanceof Error) && { verdict: mix.verdict, mix: mix.chosen.title, layers: mix.layers }),
    });
    const how =
      mix === undefined
        ? '–'
        : mix instanceof Error
          ? messageIn(mix)
          : mix.verdict === 'mixed'
            ? mix.chosen.title
            : `${mix.chosen.precision ?? mix.chosen.title} for all`;
    const cells = [
      ms(cpu!),
      ms(fp32),
      `${overCpu.toFixed(2)}x`,
      fp16 === undefined ? '–' : ms(fp16),
      fp16 === undefined ? '–' : ratio(fp16),
      how,
      best === undefined ? '–' : ratio(best),
    ];
    return `| ${one.name} | ${batch} | ${cells.join(' | ')} |`;
  } catch (cause) {
    return `| ${one.name} | ${batch} | ${messageIn(cause)} | | | | | | |`;
  }
}

/** The mix that is best within a hundredth of fidelity. */
async function mixed(model: Model, data: Dataset, batch: number): Promise<MixResult | Error> {
  return mixPrecision(model, data, {
    metric: 'cosine',
    maxDrop: 0.01,
    precisions,
    provider,
    batch,
    threads: 1,
    seconds: Math.min(3, seconds),
    samples: 16,
    candidates: 3,
    seed: SEED,
    cache: false,
  }).catch((cause: unknown) => (cause instanceof Error ? cause : new Error(String(cause))));
}

const ms = ({ latency: { value, interval } }: Comparison) =>
  `${value.toPrecision(3)} ms (${interval?.low.toPrecision(3)}–${interval?.high.toPrecision(3)})`;
const ratio = ({ speedRatio: { value, interval } }: Comparison) =>
  `**${value.toFixed(2)}x** (${interval?.low.toFixed(2)}–${interval?.high.toFixed(2)})`;
const messageIn = (cause: unknown) =>
  (cause instanceof Error ? cause.message : String(cause)).split('\n')[0]!.slice(0, 160);

/** Models of the shared folder with their data, the heavy ones of the examples and three large ones, untrained, on seeded noise. */
function allCases(): GpuCase[] {
  const { cases, absent } = sharedCases();
  for (const name of absent.filter(wanted)) console.log(`skipped: ${name} is not here`);
  const made = cases.map(
    ({ name, model, note, data }): GpuCase => ({
      name,
      note,
      model: () => loadModel(model),
      data: () => data(scratch()),
    }),
  );
  for (const { name } of TASKS) {
    const path = join(ROOT, 'examples', name, 'heavy.onnx');
    if (existsSync(path))
      made.push({ name, note: 'seeded noise', model: () => loadModel(path), data: noise });
    else if (wanted(name)) console.log(`skipped: ${name} is not here (npm run examples:train)`);
  }
  const scale = quick ? 1e-3 : 1;
  const classes = { name: 'y', dtype: 'float32' as const, shape: [null, 1000], kind: 'classes' as const };
  const untrained = (
    name: string,
    architecture: 'residual-cnn' | 'transformer' | 'mobilenet',
    dims: number[],
    macs: number,
    options: object,
  ): GpuCase => ({
    name: `${name}, ${macs / 1e9} GMAC`,
    note: 'untrained, seeded noise',
    async model() {
      const task: Task = {
        inputs: [{ name: 'x', dtype: 'float32', shape: [null, ...dims] }],
        outputs: [classes],
      };
      return buildForMacs(architectureByName(architecture), task, macs * scale, new Random(SEED), options)
        .model;
    },
    data: noise,
  });
  const side = quick ? 32 : 224;
  made.push(untrained('residual-cnn', 'residual-cnn', [3, side, side], 4e9, { stages: 4 }));
  made.push(untrained('mobilenet', 'mobilenet', [3, side, side], 6e8, {}));
  made.push(untrained('transformer', 'transformer', [quick ? 16 : 128, 64], 1e10, { layers: 8, heads: 8 }));
  return made;
}

async function noise(model: Model): Promise<Dataset> {
  const random = new Random(SEED);
  const session = await openSession(model, { threads: 1 });
  await session.dispose();
  const values = (port: Port) => {
    const dims = [SAMPLES, ...(port.shape ?? []).slice(1).map((dim) => (typeof dim === 'number' ? dim : 1))];
    const size = dims.reduce((product, dim) => product * dim, 1);
    if (port.dtype === 'float32')
      return Tensor.float32(
        dims,
        Float32Array.from({ length: size }, () => random.normal()),
      );
    return Tensor.int64(
      dims,
      Array.from({ length: size }, () => random.below(2)),
    );
  };
  return inMemory(Object.fromEntries(session.inputs.map((port) => [port.name, values(port)])), undefined, {
    name: 'seeded noise',
  });
}

await main();
