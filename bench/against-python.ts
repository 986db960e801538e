import { type Dataset, type Split, split } from '../src/data/index.ts';
import { loadModel } from '../src/files/index.ts';
import { costOf, encodeModel, inferShapes, type Model, walkGraphs } from '../src/graph/index.ts';
import {
  type Comparison,
  compareEvaluations,
  type Drop,
  type Evaluation,
  evaluate,
  type Measurement,
  type Metric,
  metricByName,
} from '../src/measure/index.ts';
import {
  availableCores,
  describeMachine,
  executedGraph,
  type OrtSession,
  openSession,
} from '../src/run/index.ts';
import { PythonQuantizer } from './python-quantizer.ts';
import { bestSetting, DEFAULTS, race, SEED, type Setting } from './race.ts';
import { type SharedCase, scratch, sharedCases } from './shared-models.ts';
import { ourVariants, pythonVariants, say, type Variant } from './variants.ts';

/**
 * Ours against what a user does today: onnxruntime-node with its defaults, and the Python quantizer on the same
 * calibration samples. `MODICUM_PYTHON=python3 node build/bench/against-python.js [model ...]`; see bench/README.md.
 */
/**
 * Samples of each part that every variant is tried on: as many as keep within these multiply-accumulates, and at least so many. The
 * two best are then judged on the whole held-out part.
 */
const WORK = 2e10;
const LEAST = 300;
/** Held-out samples that the outputs are compared with those of the model as given on. */
const COMPARED = 50;
/** Seconds of racing for each variant, one sample a call; and for each of the two best. */
const HEAT = 0.4;
const FINAL = 2;

interface Judged extends Variant {
  readonly model: Model | string;
  readonly chosenBy: Evaluation;
  readonly chosenDrop: number;
  readonly heldOut: Evaluation;
  /** Signal over noise of the outputs against the model as given, dB: tells apart what too few labels cannot. */
  readonly fidelity: number;
  /** Heavy layers on integers, of all. */
  readonly integers: string;
  speed?: Comparison;
}

/** Everything that one model is judged with. */
interface Scene {
  readonly shared: SharedCase;
  readonly parts: Split;
  readonly metric: Metric;
  readonly reference: OrtSession;
  /** Samples of a part that every variant is tried on. */
  readonly most: number;
}

const INTEGER =
  /^(QLinearConv|QGemm|QLinearMatMul|MatMulIntegerToFloat|DynamicQuantize(MatMul|LSTM)|MatMulInteger|ConvInteger|MatMulNBits)$/;
const FLOAT = /^(Conv|FusedConv|ConvTranspose|Gemm|FusedGemm|MatMul|FusedMatMul|LSTM|GRU)$/;

/** Of the layers that multiply, how many the runtime runs on integers. Level extended: one name for each operator. */
async function integersOf(model: Model | string): Promise<string> {
  const { graph } = await executedGraph(model, { level: 'extended' });
  const nodes = [...walkGraphs(graph)].flatMap((one) => one.nodes);
  const count = (pattern: RegExp) => nodes.filter(({ op }) => pattern.test(op)).length;
  const integers = count(INTEGER);
  return `${integers} of ${integers + count(FLOAT)}`;
}

/** Up to so many samples, evenly over the part: samples of a class often stand together. */
function spread(part: Dataset, most: number): number[] {
  const length = Math.min(most, part.size);
  return Array.from({ length }, (_, i) => Math.floor((i * part.size) / length));
}

async function judge(variant: Variant, scene: Scene, plain?: Judged): Promise<Judged | Variant> {
  const { parts, metric, reference } = scene;
  if (variant.model === undefined) return variant;
  try {
    const session = await openSession(variant.model, DEFAULTS);
    try {
      const options = { reference, batch: variant.dynamic ? 1 : 32, seed: SEED };
      const chosenBy = await evaluate(session, parts.search, metric, {
        ...options,
        indices: spread(parts.search, scene.most),
      });
      const heldOut = await evaluate(session, parts.heldOut, metric, {
        ...options,
        indices: spread(parts.heldOut, scene.most),
      });
      const sqnr = await evaluate(session, parts.heldOut, metricByName('sqnr'), {
        ...options,
        indices: spread(parts.heldOut, COMPARED),
      });
      const chosenDrop = plain === undefined ? 0 : dropOf(plain.chosenBy, chosenBy, metric).value;
      const integers = await integersOf(variant.model);
      return {
        ...variant,
        model: variant.model,
        chosenBy,
        chosenDrop,
        heldOut,
        integers,
        fidelity: sqnr.value,
      };
    } finally {
      await session.dispose();
    }
  } catch (error) {
    return { ...variant, model: undefined, error: say(error) };
  }
}

function dropOf(baseline: Evaluation, candidate: Evaluation, metric: Metric): Drop {
  return compareEvaluations(baseline, candidate, metric, { seed: SEED });
}

/**
 * The best of a side, by the search part alone: theirs is the fastest that keeps to the bound (else the nearest to it); ours
 * the fastest that is at least as good as `atLeast` there (else the best).
 */
function bestOf(side: readonly Judged[], mostDrop: number): Judged | undefined {
  const within = side.filter(({ chosenDrop }) => chosenDrop <= mostDrop);
  const speed = ({ speed }: Judged) => speed?.speedRatio.value ?? 0;
  if (within.length > 0) return [...within].sort((a, b) => speed(b) - speed(a))[0];
  return [...side].sort((a, b) => a.chosenDrop - b.chosenDrop)[0];
}

const isJudged = (variant: Variant | Judged): variant is Judged => 'heldOut' in variant;

async function compareOn(shared: SharedCase, python: PythonQuantizer | undefined, folder: string) {
  const parts = await split(await shared.data(folder), { seed: SEED });
  const metric = metricByName(shared.metric);
  console.log(`\n## ${shared.name}: ${metric.name} (${shared.note})\n\n${parts.rule}.`);
  const reference = await openSession(shared.model, DEFAULTS);
  try {
    const original = await loadModel(shared.model);
    const { macs } = costOf(original, inferShapes(original)).total;
    const most = Math.max(LEAST, Math.floor(WORK / macs));
    const scene: Scene = { shared, parts, metric, reference, most };
    const tried = Math.min(most, parts.heldOut.size);
    console.log(`Every variant is tried on ${tried} held-out samples, the best of both on all of them.`);
    const given: Variant = {
      side: 'plain',
      title: 'onnxruntime-node, defaults',
      model: shared.model,
      bytes: encodeModel(original).byteLength,
      dynamic: false,
    };
    const plain = await judge(given, scene);
    if (!isJudged(plain)) throw new Error(plain.error);
    const rows: (Variant | Judged)[] = [plain];
    const ours = await ourVariants(shared, parts.calibration);
    const theirs = python === undefined ? [] : await pythonVariants(python, shared, parts.calibration);
    for (const variant of [...ours, ...theirs]) rows.push(await judge(variant, scene, plain));
    const judged = rows.filter(isJudged);
    const raced = await race(judged, parts.search, HEAT * judged.length);
    for (const [i, row] of judged.entries()) row.speed = raced[i]!;
    print(rows, metric);
    return await final(judged, scene);
  } finally {
    await reference.dispose();
  }
}

async function onAllHeldOut(one: Judged, { parts, metric, reference }: Scene): Promise<Evaluation> {
  if (one.heldOut.n === parts.heldOut.size) return one.heldOut;
  const session = await openSession(one.model, DEFAULTS);
  try {
    return await evaluate(session, parts.heldOut, metric, {
      reference,
      batch: one.dynamic ? 1 : 32,
      seed: SEED,
    });
  } finally {
    await session.dispose();
  }
}

/** The best of both sides against each other. */
async function final(judged: readonly Judged[], scene: Scene): Promise<string> {
  const { shared, parts, metric } = scene;
  const theirs = bestOf(
    judged.filter(({ side }) => side === 'python'),
    shared.maxDrop,
  );
  // A hundredth of what may be lost is no loss: theirs may have quantized nothing at all.
  const asGood = theirs && Math.max(theirs.chosenDrop, shared.maxDrop / 100);
  const mostDrop = Math.min(shared.maxDrop, asGood ?? shared.maxDrop);
  const ours = bestOf(
    judged.filter(({ side }) => side === 'ours'),
    mostDrop,
  );
  if (ours === undefined) return `| ${shared.name} | none of ours worked | | | | | | |`;
  const plain = judged[0]!;
  const rival = theirs ?? plain;
  const whole = [];
  for (const one of [rival, ours]) whole.push(await onAllHeldOut(one, scene));
  const drop = dropOf(whole[0]!, whole[1]!, metric);
  const [, single] = await race([rival, ours], parts.search, FINAL);
  const tuned = [];
  for (const one of [rival, ours]) {
    // As given is raced as its user runs it: one sample a call.
    const setting =
      one.side === 'plain' ? { ...DEFAULTS, batch: 1 } : await bestSetting(one.model, parts.search);
    tuned.push({ title: one.title, model: one.model, setting });
  }
  const [, many] = await race(tuned, parts.search, FINAL);
  const [, ...toPlain] = await race([plain, ...tuned], parts.search, FINAL);
  const better = { value: -drop.value, low: -drop.interval.high, high: -drop.interval.low };
  const atLeastEqual = better.high >= 0 && single!.verdict !== 'slower' && many!.verdict !== 'slower';
  const words = ({ batch, instances, threads }: Setting) => `batch ${batch}, ${instances} x ${threads}`;
  return `| ${[
    shared.name,
    `${ours.title} [${words(tuned[1]!.setting)}]`,
    `${rival.title} [${words(tuned[0]!.setting)}]`,
    `${signed(better.value)} (${signed(better.low)} to ${signed(better.high)})`,
    ratio(single!.speedRatio),
    ratio(many!.speedRatio),
    `${ratio(toPlain[1]!.speedRatio)}; theirs ${ratio(toPlain[0]!.speedRatio)}`,
    atLeastEqual ? 'yes' : 'no',
  ].join(' | ')} |`;
}

function print(rows: readonly (Variant | Judged)[], metric: Metric): void {
  const unit = metric.unit === '1' ? '' : ` ${metric.unit}`;
  console.log(
    `\n| who | variant | ${metric.name}${unit}, held out | search drop | dB to the original | size | on integers | speed, 1 sample |\n|---|---|---|---|---|---|---|---|`,
  );
  for (const row of rows) {
    const start = `| ${row.side} | ${row.title}`;
    if (!isJudged(row)) {
      console.log(`${start} | none: ${row.error?.replaceAll('|', '/')} | | | | | |`);
      continue;
    }
    const { value, interval, nonFinite } = row.heldOut;
    const [at, low, high] = [value, interval.low, interval.high].map((number) => fixed(number));
    const bad = nonFinite > 0 ? `, ${nonFinite} not finite` : '';
    const size = row.bytes === undefined ? '' : `${(row.bytes / 1e3).toFixed(1)} kB`;
    const cells = [
      `${at} (${low} to ${high})${bad}`,
      signed(row.chosenDrop),
      row.fidelity >= 199 ? 'equal' : row.fidelity.toFixed(1),
      size,
      row.integers,
      row.speed ? ratio(row.speed.speedRatio) : '',
    ];
    console.log(`${start} | ${cells.join(' | ')} |`);
  }
  for (const note of new Set(rows.map(({ note }) => note))) {
    if (note !== undefined) console.log(`\n${note}.`);
  }
}

const fixed = (value: number) => (Math.abs(value) >= 10 ? value.toFixed(2) : value.toFixed(5));
const signed = (value: number) => `${value > 0 ? '+' : ''}${fixed(value)}`;
const ratio = ({ value, interval }: Measurement) =>
  `${value.toFixed(2)}${interval ? ` (${interval.low.toFixed(2)} to ${interval.high.toFixed(2)})` : ''}`;

async function main(): Promise<void> {
  const started = performance.now();
  const { cases, absent } = sharedCases();
  const wanted = process.argv.slice(2);
  const python = PythonQuantizer.fromEnvironment();
  const { cpu, versions } = describeMachine();
  console.log(
    `${cpu}, ${availableCores()} cores; onnxruntime-node ${versions.onnxruntime}, node ${versions.node}; seed ${SEED}.`,
  );
  if (python === undefined) {
    console.log(
      '\nPython quantizer skipped: MODICUM_PYTHON is not set. Ours stand against onnxruntime-node alone.',
    );
  }
  if (absent.length > 0) console.log(`\nSkipped, their data is absent: ${absent.join(', ')}.`);
  const folder = scratch();
  const ends: string[] = [];
  for (const shared of cases) {
    if (wanted.length > 0 && !wanted.includes(shared.name)) continue;
    try {
      ends.push(await compareOn(shared, python, `${folder}/${shared.name}`));
    } catch (error) {
      ends.push(`| ${shared.name} | fails: ${say(error)} | | | | | | |`);
    }
  }
  console.log(
    '\n## The best of both\n\nChosen on the search part: theirs the fastest within the bound, ours the fastest that is no worse ' +
      'than theirs there by more than a hundredth of the bound. Ratios above 1 and positive differences: ours is better.\n\n' +
      '| model | ours | theirs | metric, ours - theirs, held out | speed, 1 sample | speed, best settings | over defaults, best settings | at least equal |\n' +
      '|---|---|---|---|---|---|---|---|',
  );
  for (const line of ends) console.log(line);
  console.log(`\n${Math.round((performance.now() - started) / 1000)} s in all.`);
}

await main();
