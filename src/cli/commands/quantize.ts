import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fail, messageOf } from '../../base/index.ts';
import { type Dataset, subset } from '../../data/index.ts';
import { assertPlace, loadModel, saveModel } from '../../files/index.ts';
import { assertValid, type Model } from '../../graph/index.ts';
import { quantity, textTable } from '../../report/index.ts';
import { TRAINING_PASSES } from '../../train/index.ts';
import {
  CALIBRATORS,
  cleanUp,
  type Pass,
  RECIPE_PASSES,
  WEIGHT_ONLY_DEFAULTS,
} from '../../transform/index.ts';
import type { Command } from '../command.ts';
import { loadConfig } from '../config.ts';
import { dataOf, secondsOf, wholeOf, withData } from '../options.ts';

/** What a method runs, which of the options are its own, and what it does with the data: nothing, look at samples, learn. */
interface Method {
  readonly pass: Pass;
  readonly options: 'static' | 'dynamic' | 'blocks' | 'learned';
  readonly data: 'none' | 'calibration' | 'training';
  /** Float passes that belong to it and run first. */
  readonly before?: readonly BeforeName[];
}

/** Float passes that leave less for the quantization to lose; they look at data. */
const BEFORE = {
  equalize: RECIPE_PASSES.equalize,
  'absorb-bias': RECIPE_PASSES['absorb-bias'],
  smooth: RECIPE_PASSES.smooth,
  'scale-awq': RECIPE_PASSES['scale-awq'],
} as const satisfies Record<string, Pass>;

type BeforeName = keyof typeof BEFORE;

const METHODS = {
  static: { pass: RECIPE_PASSES['quantize-static'], options: 'static', data: 'calibration' },
  dynamic: { pass: RECIPE_PASSES['quantize-dynamic'], options: 'dynamic', data: 'none' },
  smooth: {
    pass: RECIPE_PASSES['quantize-static'],
    options: 'static',
    data: 'calibration',
    before: ['smooth'],
  },
  weights: { pass: RECIPE_PASSES['quantize-weights'], options: 'blocks', data: 'none' },
  hqq: { pass: RECIPE_PASSES['quantize-hqq'], options: 'blocks', data: 'none' },
  awq: { pass: RECIPE_PASSES['quantize-awq'], options: 'blocks', data: 'calibration' },
  gptq: { pass: RECIPE_PASSES['quantize-gptq'], options: 'blocks', data: 'calibration' },
  aware: { pass: TRAINING_PASSES['quantize-aware'], options: 'learned', data: 'training' },
  adaround: { pass: TRAINING_PASSES.adaround, options: 'learned', data: 'training' },
} as const satisfies Record<string, Method>;

export const quantizeCommand: Command = {
  name: 'quantize',
  summary: 'one quantization, with the check of what the runtime fuses',
  configure(command) {
    command
      .argument('<model>', 'an .onnx file')
      .option(
        '--method <name>',
        'static (8 bits, needs data), dynamic (8 bits), smooth (static, outliers of activations moved into the weights first), weights (4 or 8 bits); hqq (4-bit weights, scales and zero points by half-quadratic splitting), awq (4-bit weights, those of large activations scaled up first; needs data), gptq (4-bit weights, each rounding making up for those before it; needs data); aware (static, learned from the data and its labels) and adaround (static, each rounding chosen on the data)',
        'static',
      );
    withData(command, false)
      .option(
        '--before <passes>',
        `float passes that run first, separated by commas, of ${Object.keys(BEFORE).join(', ')}; they need data`,
      )
      .option('--alpha <share>', 'smooth: how much goes from activations into weights (default: searched)')
      .option(
        '--no-bias-correction',
        'static, awq and gptq: leaves the means of the layers as rounding shifts them',
      )
      .option('--calibrator <name>', `static: ${Object.keys(CALIBRATORS).join(', ')}`, 'minmax')
      .option('--samples <n>', 'static, awq and gptq: samples to calibrate on', '512')
      .option('--activations <type>', 'static: uint8 or int8', 'uint8')
      .option('--per-tensor', 'static: one scale for each weight instead of one for each channel')
      .option('--reduce-range', 'static: 7-bit weights, for x64 without VNNI')
      .option('--bits <n>', 'of a weight: 4 or 8 (default: 4 for weights, 8 for aware and adaround)')
      .option('--epochs <n>', 'aware: times that every sample is seen (default: 5)')
      .option('--time <time>', 'aware and adaround: time to learn, instead')
      .option('--block <n>', 'weights, hqq, awq and gptq: 16, 32, 64, 128 or 256', '32')
      .option('--asymmetric', 'weights, awq and gptq: with zero points (hqq has them anyhow)')
      .option('--act-order', 'gptq: rounds the inputs of largest activations first')
      .option('--damping <share>', 'gptq: added to the diagonal, as a share of its mean', '0.01')
      .option('--float-activations', 'gptq: rounds each layer for what the unrounded ones before it give')
      .option('--exclude <names>', 'nodes to leave in float, separated by commas')
      .option('--exclude-ops <ops>', 'operators to leave in float, separated by commas')
      .option('--exclude-pattern <regex>', 'nodes to leave in float by name')
      .option('--keep-first <n>', 'leaves the first so many heavy layers in float')
      .option('--keep-last <n>', 'leaves the last so many heavy layers in float')
      .option('--no-clean', 'does not fold and clean the graph first')
      .option('--external', 'writes the weights to a file of their own')
      .option('--out <file>', 'the .onnx file to write (default: <model>.<method>.onnx)')
      .addHelpText(
        'after',
        '\nExamples:\n  modicum quantize model.onnx --data samples.npz --calibrator mse\n  modicum quantize model.onnx --data train.npz --method aware --bits 4 --epochs 10\n  modicum quantize llm.onnx --method weights --bits 4 --block 128 --external',
      );
  },
  async run([path = ''], options, { print, progress, signal }) {
    const method = String(options.method) as keyof typeof METHODS;
    if (!Object.hasOwn(METHODS, method)) {
      throw fail('USAGE_BAD_OPTION', `--method is "${method}"; there are ${Object.keys(METHODS).join(', ')}`);
    }
    const { pass, data: use, before = [] }: Method = METHODS[method];
    const out = (options.out as string | undefined) ?? path.replace(/(\.onnx)?$/, `.${method}.onnx`);
    if (resolve(out) === resolve(path)) {
      throw fail('USAGE_BAD_OPTION', '--out is the model itself, which would be lost');
    }
    await assertPlace(out);
    const wanted = passOptions(method, options);
    const first = [...before, ...passesBefore(options.before)];
    const dataset = await dataOf(options, await loadConfig());
    if ((use !== 'none' || first.length > 0) && dataset === undefined)
      throw fail('CALIBRATION_NEEDED', 'no --data is given');
    const calibration = dataset && spread(dataset, options.samples);
    const training = use === 'training' ? dataset : undefined;
    const context = { progress, signal, seed: 0, calibration, training };
    const original = await loadModel(path);
    assertValid(original);
    refuseUnknown(original, wanted);
    const clean =
      options.clean === false ? original : (await cleanUp.apply(original, cleanUp.defaults, context)).model;
    let ready = clean;
    for (const name of new Set(first)) {
      const float: Pass = BEFORE[name];
      const made = await float.apply(
        ready,
        { ...float.defaults, ...beforeOptions(name, options, wanted) },
        context,
      );
      ready = made.model;
      const moved = made.notes.filter(({ action }) => action === 'changed').length;
      print(`${name}: ${moved} nodes changed`);
    }
    const result = await pass.apply(ready, { ...pass.defaults, ...wanted }, context);
    signal.throwIfAborted();
    await saveModel(result.model, out, { external: options.external === true ? 'always' : 'auto' });
    const notes = result.notes.filter(({ action }) => action !== 'changed');
    const changed = result.notes.length - notes.length;
    print(`${changed} nodes in ${wanted.bits ?? 8} bits, ${notes.length} left as they were`);
    if (result.fusion !== undefined) {
      const rows = result.fusion.nodes.map((node) => [
        node.name,
        node.op,
        node.status,
        node.why ?? (node.executedAs.join(', ') || 'part of a neighbour'),
      ]);
      if (rows.length > 0)
        print(
          `\n${textTable(['node', 'operator', 'fusion', 'executed as, or why not'], rows, ['left', 'left', 'left', 'left'])}`,
        );
      for (const { node, what } of result.fusion.repaired) print(`  repaired ${node}: ${what}`);
    }
    for (const { node, op, action, why } of notes)
      print(`  ${action} ${node}${op === '' ? '' : ` (${op})`}: ${why}`);
    const bytes = (await stat(out)).size;
    print(`\n wrote ${out}, ${quantity(bytes, 'B')} (${path} has ${quantity((await stat(path)).size, 'B')})`);
    return { json: { out, bytes, notes: result.notes, fusion: result.fusion } };
  },
};

function passesBefore(given: unknown): BeforeName[] {
  const names = given === undefined ? [] : String(given).split(',');
  return names.map((name) => choice('before', name, Object.keys(BEFORE)) as BeforeName);
}

/** `wanted`: the options of the quantization to follow, which scaling for 4 bits must know. */
function beforeOptions(
  name: BeforeName,
  { alpha }: Readonly<Record<string, unknown>>,
  wanted: Readonly<Record<string, unknown>>,
): object {
  if (name === 'scale-awq') {
    const { blockSize = WEIGHT_ONLY_DEFAULTS.blockSize, symmetric = true } = wanted;
    return { blockSize, symmetric };
  }
  return name === 'smooth' && alpha !== undefined ? { alpha: shareOf('alpha', alpha) } : {};
}

/** An exclusion that names nothing is most likely misspelt, and would quantize what was to stay. */
function refuseUnknown({ graph }: Model, wanted: Record<string, unknown>): void {
  const check = (option: string, given: unknown, known: ReadonlySet<string>) => {
    for (const name of (given ?? []) as readonly string[]) {
      if (known.has(name)) continue;
      throw fail('USAGE_BAD_OPTION', `--${option} names "${name}", and the model has none`, {
        hint: 'modicum profile lists the nodes of a model with their operators.',
      });
    }
  };
  check('exclude', wanted.exclude, new Set(graph.nodes.map(({ name }) => name ?? '')));
  check('exclude-ops', wanted.excludeOps, new Set(graph.nodes.map(labelOf)));
}

const labelOf = ({ domain, op }: Model['graph']['nodes'][number]) => (domain === '' ? op : `${domain}:${op}`);

/** Samples spread evenly over the data. */
function spread(dataset: Dataset, samples: unknown): Dataset {
  const count = Math.min(dataset.size, wholeOf('samples', samples, 1, 1e9));
  return subset(
    dataset,
    Array.from({ length: count }, (_, i) => Math.floor((i * dataset.size) / count)),
  );
}

function passOptions(
  method: keyof typeof METHODS,
  options: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const list = (value: unknown) => (value === undefined ? undefined : String(value).split(','));
  const count = (name: string, value: unknown) =>
    value === undefined ? undefined : wholeOf(name, value, 0, 1e6);
  const selection = {
    exclude: list(options.exclude),
    excludeOps: list(options.excludeOps),
    excludePatterns: options.excludePattern === undefined ? undefined : [patternOf(options.excludePattern)],
    keepFirst: count('keep-first', options.keepFirst),
    keepLast: count('keep-last', options.keepLast),
  };
  const kind = METHODS[method].options;
  const given =
    kind === 'static'
      ? {
          method: choice('calibrator', options.calibrator, Object.keys(CALIBRATORS)),
          activations: choice('activations', options.activations, ['uint8', 'int8']),
          perChannel: options.perTensor !== true,
          reduceRange: options.reduceRange === true,
          biasCorrection: options.biasCorrection !== false,
        }
      : kind === 'blocks'
        ? {
            bits: Number(choice('bits', options.bits ?? '4', method === 'weights' ? ['4', '8'] : ['4'])),
            blockSize: Number(choice('block', options.block, ['16', '32', '64', '128', '256'])),
            symmetric: options.asymmetric === true ? false : undefined,
            ...(method === 'gptq' && {
              actOrder: options.actOrder === true,
              damping: shareOf('damping', options.damping),
              activations: options.floatActivations === true ? 'float' : 'quantized',
            }),
            ...(METHODS[method].data === 'calibration' && {
              samples: count('samples', options.samples),
              meanCorrection: options.biasCorrection !== false,
            }),
          }
        : kind === 'learned'
          ? {
              bits: Number(choice('bits', options.bits ?? '8', ['4', '8'])),
              method: choice('calibrator', options.calibrator, Object.keys(CALIBRATORS)),
              seconds: options.time === undefined ? undefined : secondsOf('time', options.time),
              epochs:
                method === 'aware'
                  ? count('epochs', options.epochs ?? (options.time === undefined ? 5 : undefined))
                  : undefined,
            }
          : {};
  return Object.fromEntries(
    Object.entries({ ...selection, ...given }).filter(([, value]) => value !== undefined),
  );
}

function shareOf(name: string, value: unknown): number {
  const share = Number(value);
  if (share > 0 && share <= 1) return share;
  throw fail('USAGE_BAD_OPTION', `--${name} is "${value}", not above 0 and at most 1`);
}

function patternOf(text: unknown): string {
  try {
    return new RegExp(String(text)).source;
  } catch (cause) {
    throw fail(
      'USAGE_BAD_OPTION',
      `--exclude-pattern is no regular expression: ${messageOf(cause)}`,
      {},
      cause,
    );
  }
}

function choice(name: string, value: unknown, among: readonly string[]): string {
  if (!among.includes(String(value))) {
    throw fail('USAGE_BAD_OPTION', `--${name} is "${value}"; it takes ${among.join(' or ')}`);
  }
  return String(value);
}
