import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Random } from '../src/base/index.ts';
import { bind, type Dataset, openDataset, split, subset } from '../src/data/index.ts';
import { certifyStream, nestedIf, type Streams, splitStages, windowScores } from '../src/exits/index.ts';
import { loadModel } from '../src/files/index.ts';
import { type Model, makeGraph, makeModel, makeNode, Tensor, tensorType } from '../src/graph/index.ts';
import { comparePaired, looperOf, type Measurement } from '../src/measure/index.ts';
import { type OrtSession, openSession, type Port } from '../src/run/index.ts';
import { openStaged, type StagedModel } from '../src/staged/index.ts';
import { ROOT } from '../test/shared-data.ts';
import { wanted } from './arguments.ts';
import { heading } from './heading.ts';
import { SEED } from './race.ts';

/**
 * Running models with exits: what the branch that is not taken costs in one file and in stages, and how early streams of speech are
 * decided. `npm run bench -- exits-running [skip|stream] [--quick]`.
 */
const quick = process.argv.includes('--quick');
const SETTINGS = { threads: 1 };
const [WIDTH, LAYERS, EXIT_AFTER] = [256, 16, 4];
/** A frame is 20 ms; a step is a tenth of a second. */
const HOP = 5;
const [FRAMES, COEFFICIENTS] = [49, 10];
/** The class of clips without a word. */
const SILENCE = 10;

console.log(heading(`seed ${SEED}, 1 thread`));
if (wanted('skip')) await skip();
if (wanted('stream')) await stream();

/** Layers of 256 units, an exit after the fourth, that all samples take or none. */
function chain(taken: boolean): { whole: Model; staged: StagedModel } {
  const random = new Random(SEED);
  const nodes = [];
  const initializers = new Map<string, Tensor>();
  const weight = (name: string, rows: number, columns: number) => {
    const values = Float32Array.from({ length: rows * columns }, () => random.normal() * Math.sqrt(2 / rows));
    initializers.set(name, Tensor.float32([rows, columns], values));
    return name;
  };
  for (let i = 0; i < LAYERS; i++) {
    const from = i === 0 ? 'x' : `h${i}`;
    nodes.push(makeNode('MatMul', [from, weight(`w${i}`, WIDTH, WIDTH)], [`m${i + 1}`]));
    nodes.push(makeNode('Relu', [`m${i + 1}`], [`h${i + 1}`]));
  }
  nodes.push(makeNode('MatMul', [`h${EXIT_AFTER}`, weight('early_w', WIDTH, 10)], ['early']));
  nodes.push(makeNode('MatMul', [`h${LAYERS}`, weight('late_w', WIDTH, 10)], ['y']));
  const value = (name: string, width: number) => ({ name, type: tensorType('float32', ['N', width]) });
  const graph = makeGraph({ inputs: [value('x', WIDTH)], outputs: [value('y', 10)], nodes, initializers });
  const exit = {
    scores: 'early',
    scale: 'logits',
    // So hot that no confidence comes near 1.
    temperature: 1e3,
    confidence: 'max-probability',
    threshold: taken ? 0 : 0.999,
  } as const;
  const model = makeModel(graph, 17);
  return {
    whole: model,
    staged: splitStages(model, [{ cut: [`h${EXIT_AFTER}`], answers: { y: 'early' }, exit }]),
  };
}

async function skip(): Promise<void> {
  const [yes, no] = [chain(true), chain(false)];
  const open: OrtSession[] = [];
  const opened = async (model: Model) => {
    open.push(await openSession(model, SETTINGS));
    return open.at(-1)!;
  };
  const feeds = (batch: number) => [
    { x: Tensor.float32([batch, WIDTH], new Float32Array(batch * WIDTH).fill(0.1)) },
  ];
  console.log(`${LAYERS} layers of ${WIDTH} units, an exit after ${EXIT_AFTER}\n`);
  console.log('| timed | batch | run as | time | of the whole |');
  console.log('|---|---|---|---|---|');
  const race = async (
    timed: string,
    batch: number,
    sessions: readonly (readonly [string, Parameters<typeof comparePaired>[0][number]['session']])[],
  ) => {
    const contestants = sessions.map(([name, session]) => ({
      name,
      session,
      feeds: feeds(batch),
      samplesPerRun: batch,
    }));
    const found = await comparePaired(contestants, { seconds: quick ? 1 : 4, seed: SEED, warmUpAtMost: 0.3 });
    for (const { name, latency, latencyRatio } of found.contestants) {
      console.log(
        `| ${timed} | ${batch} | ${name} | ${latency.value.toFixed(4)} ms | ${times(latencyRatio)} |`,
      );
    }
  };
  const whole = await opened(yes.whole);
  const taken = await opened(await nestedIf(yes.staged));
  const not = await opened(await nestedIf(no.staged));
  await race('in the worker', 1, [
    ['whole', whole],
    ['one file, exit taken', taken],
    ['one file, exit not taken', not],
  ]);
  const stages = [await openStaged(yes.staged, SETTINGS), await openStaged(no.staged, SETTINGS)];
  for (const batch of [1, 32]) {
    await race('by calls', batch, [
      ['whole', looperOf(whole)],
      ['stages, exit taken', looperOf(stages[0]!)],
      ['stages, exit not taken', looperOf(stages[1]!)],
      ...(batch === 1 ? ([['one file, exit taken', looperOf(taken)]] as const) : []),
    ]);
  }
  console.log('');
  await Promise.all([...open, ...stages].map((session) => session.dispose()));
}

function times({ value, interval }: Measurement): string {
  return interval === undefined
    ? value.toFixed(2)
    : `${value.toFixed(2)} (${interval.low.toFixed(2)}–${interval.high.toFixed(2)})`;
}

/** The keyword spotter hears a second of sound bit by bit; what has not been said yet is the mean frame of its silent clips. */
async function stream(): Promise<void> {
  const folder = join(ROOT, 'examples/keyword-spotter');
  if (!existsSync(join(folder, 'heavy.onnx'))) {
    console.log('skipped: data absent: examples/keyword-spotter');
    return;
  }
  const all = await openDataset(join(folder, 'data.npz'));
  const data = quick
    ? subset(
        all,
        Array.from({ length: 900 }, (_, i) => i),
      )
    : all;
  const session = await openSession(await loadModel(join(folder, 'heavy.onnx')), SETTINGS);
  const parts = await split(data, { seed: SEED, calibration: 0.25, search: 0.5 });
  const fill = await silentFrame(parts.calibration, session.inputs);
  const input = session.inputs[0]!;
  const listen = async (part: Dataset, as: 'prefix' | 'sliding'): Promise<Streams> => ({
    scores: await windowScores(session, part, { axis: 2, hop: HOP, fill, input: input.name, as }),
    truth: await labelsOf(part),
  });
  const { calibration, search, heldOut } = parts;
  console.log(
    `keyword-spotter, steps of 0.1 s; ${calibration.size} clips to tune, ${search.size} to certify, ${heldOut.size} to test\n`,
  );
  console.log(
    '| heard as | most lost, points | promise | agree | accuracy at the end | early | lost | mean steps | time saved |',
  );
  console.log('|---|---|---|---|---|---|---|---|---|');
  for (const as of ['prefix', 'sliding'] as const) {
    const [tuning, certification, test] = [
      await listen(calibration, as),
      await listen(search, as),
      await listen(heldOut, as),
    ];
    for (const maxDrop of [1, 2, 5]) {
      const reading = { scale: 'logits', temperature: 1, confidence: 'max-probability' } as const;
      const {
        certificate,
        rule,
        test: found,
        steps,
      } = certifyStream({ tuning, certification, test, reading, maxDrop });
      const { low, high } = found.drop.interval;
      const percent = (value: number) => `${(100 * value).toFixed(2)} %`;
      console.log(
        `| ${as} | ${maxDrop} | ${certificate.outcome} | ${rule.consecutive} in a row | ${percent(found.atEnd.value)} | ${percent(found.early.value)} | ${(100 * found.drop.value).toFixed(2)} (${(100 * low).toFixed(2)} to ${(100 * high).toFixed(2)}) | ${found.meanSteps.toFixed(2)} of ${steps} | ${percent(found.saved)} |`,
      );
    }
  }
  await session.dispose();
}

/** Mean frame of the clips without a word. */
async function silentFrame(data: Dataset, inputs: readonly Port[]): Promise<number[]> {
  const frame = new Array<number>(COEFFICIENTS).fill(0);
  let count = 0;
  for await (const { feeds, labels } of bind(data, inputs, { batch: 64 })) {
    const values = Object.values(feeds)[0]!.as('float32');
    for (const [i, label] of labels!.numbers().entries()) {
      if (label !== SILENCE) continue;
      for (let k = 0; k < FRAMES * COEFFICIENTS; k++) {
        frame[k % COEFFICIENTS]! += values[i * FRAMES * COEFFICIENTS + k]!;
      }
      count += FRAMES;
    }
  }
  return frame.map((sum) => sum / Math.max(1, count));
}

async function labelsOf(data: Dataset): Promise<number[]> {
  const labels: number[] = [];
  for await (const batch of data.read({ batch: 1024, fields: [] })) labels.push(...batch.labels!.numbers());
  return labels;
}
