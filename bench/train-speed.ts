import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { median } from 'simple-statistics';
import { Random } from '../src/base/index.ts';
import { type Model, sizeOf, Tensor } from '../src/graph/index.ts';
import { bootstrapInterval } from '../src/measure/index.ts';
import { availableCores, describeMachine, openStateful, type StatefulSession } from '../src/run/index.ts';
import {
  ARCHITECTURES,
  blockSize,
  buildStep,
  LOSSES,
  OPTIMIZERS,
  prepareForTraining,
  STEP,
  type Task,
  trainableWeights,
} from '../src/train/index.ts';
import { type StepTime, TorchSteps } from './torch-steps.ts';

/**
 * A training step of ours against PyTorch's on the same machine: same model, batch, optimizer and threads, taking turns in one
 * run; MODICUM_PYTHON is the Python that has it. `npm run bench -- train-speed [model...] [--threads 2] [--batch 64] [--seconds 20]`.
 */
const SEED = 0;
/** Seconds of one turn, about: long enough that what a switch between processes costs does not count. */
const TURN = 0.4;

interface Case {
  readonly architecture: keyof typeof ARCHITECTURES;
  /** Of one sample. */
  readonly input: readonly number[];
  readonly classes: number;
  /** What PyTorch is tried in; it is held to the faster. */
  readonly layouts: readonly string[];
}

const PICTURES = ['channels-first', 'channels-last'];
const CASES: readonly Case[] = [
  { architecture: 'ds-cnn', input: [1, 49, 10], classes: 12, layouts: PICTURES },
  { architecture: 'residual-cnn', input: [3, 32, 32], classes: 10, layouts: PICTURES },
  { architecture: 'mlp', input: [784], classes: 10, layouts: ['channels-first'] },
  { architecture: 'transformer', input: [64, 40], classes: 10, layouts: ['channels-first'] },
];

/** Our side of a case. */
interface Ours {
  readonly parameters: number;
  time(steps: number): Promise<StepTime>;
  dispose(): Promise<void>;
}

function untrained({ architecture, input, classes }: Case): { model: Model; task: Task } {
  const task: Task = {
    inputs: [{ name: 'x', dtype: 'float32', shape: ['N', ...input] }],
    outputs: [{ name: 'y', dtype: 'float32', shape: ['N', classes], kind: 'classes' }],
  };
  return { model: ARCHITECTURES[architecture].build(task, {}, new Random(SEED)), task };
}

async function openOurs(one: Case, batch: number, threads: number): Promise<Ours> {
  const { forward } = await prepareForTraining(untrained(one).model);
  const weights = trainableWeights(forward);
  const graph = buildStep(forward, {
    inputShapes: { x: [batch, ...one.input] },
    weights,
    optimizer: OPTIMIZERS.adam,
    terms: [
      {
        loss: LOSSES['cross-entropy'],
        prediction: 'y',
        source: { from: 'labels' },
        options: {},
        weight: 1,
      },
    ],
    block: await blockSize(),
  });
  const { carry, initial, layout } = graph;
  const session = await openStateful(graph.model, { carry, initial, settings: { threads } });
  const random = new Random(SEED);
  const x = Float32Array.from({ length: batch * sizeOf(one.input) }, () => random.normal());
  const labels = Array.from({ length: batch }, () => random.below(one.classes));
  const fixed: Record<string, Tensor> = { x: Tensor.float32([batch, ...one.input], x) };
  fixed[STEP.target(0)] = Tensor.int64([batch], labels);
  let step = 0;
  const run = async (steps: number) => {
    for (let i = 0; i < steps; i++) await loss(session, { ...fixed, ...scalarsAt(++step) });
  };
  await run(3);
  return {
    parameters: layout.size,
    async time(steps) {
      const [begin, before] = [performance.now(), process.cpuUsage()];
      await run(steps);
      const { user, system } = process.cpuUsage(before);
      return { seconds: (performance.now() - begin) / 1e3 / steps, cpu: (user + system) / 1e6 / steps };
    },
    dispose: () => session.dispose(),
  };
}

function scalarsAt(step: number): Record<string, Tensor> {
  const scalars = Object.entries(OPTIMIZERS.adam.scalars(step, 1e-3, {}));
  return Object.fromEntries(scalars.map(([name, value]) => [STEP.scalar(name), Tensor.float32([], [value])]));
}

/** Read at every step, as PyTorch's side does. */
async function loss(session: StatefulSession, feeds: Record<string, Tensor>): Promise<number> {
  const value = (await session.step(feeds))[STEP.loss]!.numbers()[0]!;
  if (!Number.isFinite(value)) throw new Error('the loss is not a number');
  return value;
}

/** Turn and turn about; each turn so many steps as fill it, counted once. Returns the times of each side, turn by turn. */
async function takeTurns(sides: readonly Pick<Ours, 'time'>[], seconds: number): Promise<StepTime[][]> {
  const steps: number[] = [];
  for (const side of sides) steps.push(Math.max(1, Math.round(TURN / (await side.time(2)).seconds)));
  const times: StepTime[][] = sides.map(() => []);
  const end = performance.now() + seconds * 1000;
  for (let round = 0; performance.now() < end || round < 5; round++) {
    // The order turns round, so that neither is always the one that follows the other.
    const order = round % 2 === 0 ? [...sides.keys()] : [...sides.keys()].reverse();
    for (const i of order) {
      // Threads of the one that was before may still spin.
      await pause(20);
      times[i]!.push(await sides[i]!.time(steps[i]!));
    }
  }
  return times;
}

interface Row {
  readonly title: string;
  readonly ours: number;
  readonly theirs: number;
  readonly layout: string;
  /** Theirs over ours: by the clock, and of the processors' time. */
  readonly speed: string;
  readonly cpu: string;
  readonly turns: number;
  /** Version of PyTorch. */
  readonly torch: string;
}

/** Median over the turns, and its interval. */
function ratioOf(theirs: readonly StepTime[], ours: readonly StepTime[], what: keyof StepTime): string {
  const ratios = theirs.map((time, turn) => time[what] / ours[turn]![what]);
  const middle = (chosen: Uint32Array) => median(Array.from(chosen, (i) => ratios[i]!));
  const { low, high } = bootstrapInterval(ratios.length, middle, { seed: SEED });
  return `${median(ratios).toFixed(2)}x (${low.toFixed(2)} to ${high.toFixed(2)})`;
}

async function raceCase(one: Case, batch: number, threads: number, seconds: number): Promise<Row> {
  const ours = await openOurs(one, batch, threads);
  const opened: TorchSteps[] = [];
  let version = '';
  try {
    for (const layout of one.layouts) {
      const torch = TorchSteps.fromEnvironment()!;
      opened.push(torch);
      const { parameters, torch: found } = await torch.open(one.architecture, batch, threads, layout);
      version = found;
      if (parameters === ours.parameters) continue;
      throw new Error(`${one.architecture}: ${parameters} parameters in PyTorch, ours ${ours.parameters}`);
    }
    const [own, ...others] = (await takeTurns([ours, ...opened], seconds)) as [StepTime[], ...StepTime[][]];
    const middle = (times: readonly StepTime[]) => median(times.map((time) => time.seconds));
    const fastest = others.reduce((best, times, i) => (middle(times) < middle(others[best]!) ? i : best), 0);
    const theirs = others[fastest]!;
    return {
      title: one.architecture,
      ours: middle(own),
      theirs: middle(theirs),
      layout: one.layouts[fastest]!,
      speed: ratioOf(theirs, own, 'seconds'),
      cpu: ratioOf(theirs, own, 'cpu'),
      turns: own.length,
      torch: version,
    };
  } finally {
    for (const torch of opened) torch.close();
    await ours.dispose();
  }
}

function say({ title, ours, theirs, layout, speed, cpu, turns, torch }: Row): string {
  const milliseconds = (seconds: number) => (seconds * 1000).toPrecision(3);
  const times = `${milliseconds(ours)} | ${milliseconds(theirs)} (${layout})`;
  return `| ${title} | ${times} | ${speed} | ${cpu} | ${turns} | ${torch} |`;
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (value > 0) return value;
  throw new Error(`--${name} must be a number above 0, not "${text}"`);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: 'string', default: String(availableCores()) },
    batch: { type: 'string', default: '64' },
    seconds: { type: 'string', default: '20' },
  },
});
const [threads, batch, seconds] = (['threads', 'batch', 'seconds'] as const).map((name) =>
  positive(name, values[name]),
) as [number, number, number];
const unknown = positionals.filter((name) => !CASES.some(({ architecture }) => architecture === name));
if (unknown.length > 0) throw new Error(`no model ${unknown.join(', ')}`);
if (!process.env.MODICUM_PYTHON) console.log('skipped: MODICUM_PYTHON names no Python with PyTorch');
else {
  const { cpu, versions } = describeMachine();
  const sides = `node ${versions.node}, onnxruntime ${versions.onnxruntime}`;
  console.log(`${cpu}; ${sides}; batch ${batch}, ${threads} threads, Adam, seed ${SEED}\n`);
  console.log(
    '| model | ours, ms a step | PyTorch, ms a step | speed over PyTorch | processor time, PyTorch over ours | turns | torch |',
  );
  console.log('|---|---|---|---|---|---|---|');
  for (const one of CASES) {
    if (positionals.length > 0 && !positionals.includes(one.architecture)) continue;
    console.log(say(await raceCase(one, batch, threads, seconds)));
  }
}
