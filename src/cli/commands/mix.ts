import { resolve } from 'node:path';
import { fail } from '../../base/index.ts';
import { assertPlace, loadModel, saveModel } from '../../files/index.ts';
import { METRICS } from '../../measure/index.ts';
import { MIX_OBJECTIVES, type MixObjective, type MixResult, mixPrecision } from '../../mix/index.ts';
import { quantity, textTable } from '../../report/index.ts';
import { PROVIDERS, type ProviderName } from '../../run/index.ts';
import { PRECISIONS, type Precision } from '../../transform/index.ts';
import type { Command } from '../command.ts';
import { loadConfig } from '../config.ts';
import { dataOf, numberOf, secondsOf, wholeOf, withData } from '../options.ts';

export const mixCommand: Command = {
  name: 'mix',
  summary: 'the precision of each layer that makes a model cheapest within a bound on its loss',
  configure(command) {
    command.argument('<model>', 'an .onnx file');
    withData(command, true)
      .option('--metric <name>', `${Object.keys(METRICS).join(', ')} (default: that of the config)`)
      .option('--output <name>', 'the output that the metric looks at (default: the first)')
      .option('--axis <n>', 'axis of the classes (default: the last)')
      .option('--k <n>', 'places of a ranking that count, for ndcg (default: 10)')
      .option('--max-drop <x>', 'the most the metric may lose, in its unit (default: 1)')
      .option('--confidence <x>', 'that it is no more, on data held out', '0.95')
      .option(
        '--precisions <list>',
        `of ${PRECISIONS.join(', ')} (default: fp32,int8,int4; fp16 too with --minimize size or a provider that is no CPU)`,
      )
      .option('--minimize <what>', Object.keys(MIX_OBJECTIVES).join(' or '), 'latency')
      .option('--provider <name>', PROVIDERS.join(', '), 'cpu')
      .option('--threads <n>', 'threads (default: all cores)')
      .option('--batch <n>', 'samples of a call while speed is measured', '1')
      .option('--samples <n>', 'samples that the sensitivity of layers is measured on', '256')
      .option('--candidates <n>', 'assignments that are built and tried at most', '12')
      .option('--time <time>', 'of each race', '6s')
      .option('--seed <n>', 'of the split and of the order of races', '0')
      .option('--no-cache', 'measures sensitivity and speed of layers anew')
      .option('--out <file>', 'the .onnx file to write (default: <model>.mixed.onnx)')
      .addHelpText(
        'after',
        '\nExamples:\n  modicum mix model.onnx --data test.npz --metric top1 --max-drop 0.5\n  modicum mix model.onnx --data test.npz --metric top1 --precisions fp32,fp16,int8,int4 --minimize size',
      );
  },
  async run([path = ''], options, { print, progress, signal }) {
    const config = await loadConfig();
    const metric = (options.metric as string | undefined) ?? config.goal?.metric;
    if (metric === undefined) throw fail('USAGE_BAD_OPTION', '--metric is missing');
    const out = (options.out as string | undefined) ?? path.replace(/(\.onnx)?$/, '.mixed.onnx');
    if (resolve(out) === resolve(path)) {
      throw fail('USAGE_BAD_OPTION', '--out is the model itself, which would be lost');
    }
    await assertPlace(out);
    const data = await dataOf(options, config);
    if (data === undefined) throw fail('USAGE_BAD_OPTION', '--data is missing');
    const whole = (name: string, most: number, given = options[name]) =>
      given === undefined ? undefined : wholeOf(name, given, 1, most);
    const result = await mixPrecision(await loadModel(path), data, {
      metric,
      metricOptions: {
        output: options.output as string | undefined,
        axis: options.axis === undefined ? undefined : wholeOf('axis', options.axis, -64, 64),
        k: whole('k', 65536),
      },
      maxDrop:
        options.maxDrop === undefined ? config.goal?.maxDrop : numberOf('max-drop', options.maxDrop, 0),
      confidence: numberOf('confidence', options.confidence, 0.5, 0.9999),
      precisions:
        options.precisions === undefined
          ? undefined
          : (String(options.precisions).split(',') as readonly string[] as readonly Precision[]),
      minimize: options.minimize as MixObjective,
      provider: options.provider as ProviderName,
      threads: whole('threads', 1024),
      batch: whole('batch', 65536),
      samples: whole('samples', 1e6),
      candidates: whole('candidates', 1000),
      seconds: secondsOf('time', options.time),
      seed: wholeOf('seed', options.seed, 0, 2 ** 31 - 1),
      ...(options.cache === false && { cache: false as const }),
      progress,
      signal,
    });
    signal.throwIfAborted();
    await saveModel(result.chosen.model, out);
    print(layerTable(result));
    print(`\n${variantTable(result)}`);
    for (const { precision, why } of result.unavailable) print(`  ${precision} is not to be had: ${why}`);
    const { drop, evaluation } = result.heldOut;
    const { unit, name } = result.metric;
    print(
      `\n${name} on ${evaluation.n} held-out samples: ${quantity(evaluation.value, unit)}, as given ${quantity(result.baseline.value, unit)}; lost ${drop.value.toFixed(2)}, at most ${drop.interval.high.toFixed(2)} (${(100 * drop.interval.level).toFixed(0)} %)`,
    );
    print(`${verdictInWords(result)}: ${result.why}`);
    print(`\n wrote ${out}, ${quantity(result.chosen.bytes, 'B')}`);
    return { json: jsonOf(result, out) };
  },
};

function verdictInWords({ verdict, bestUniform }: MixResult): string {
  if (verdict === 'mixed') return 'a mix is best';
  return verdict === 'uniform' ? `${bestUniform.precision} for all is best` : 'fp32 for all is best';
}

/** A row a layer: what it costs and does to the outputs in each precision, and which it got. */
function layerTable({ layers, chosen }: MixResult): string {
  const known = PRECISIONS.filter((one) =>
    layers.some(({ choices }) => choices.some(({ precision }) => precision === one)),
  );
  const head = [
    'layer',
    'operator',
    ...known.map((one) => `${one} µs`),
    ...known.slice(1).map((one) => `harm ${one}`),
    'is in',
  ];
  const rows = layers.map(({ layer, choices, speed }) => {
    const of = (one: Precision) => choices.find(({ precision }) => precision === one);
    const time = (one: Precision) =>
      speed.find(({ precision }) => precision === one)?.microseconds.toFixed(1) ?? '–';
    return [
      layer.nodes.length > 1 ? `${layer.id} and ${layer.nodes.length - 1} more` : layer.id,
      layer.op,
      ...known.map(time),
      ...known.slice(1).map((one) => of(one)?.harm.toExponential(1) ?? '–'),
      chosen.effective[layer.id] ?? 'fp32',
    ];
  });
  return textTable(head, rows);
}

function variantTable({ variants, chosen, metric }: MixResult): string {
  const rows = variants.map((variant) => {
    const { title, bytes, drop, heldOut, speed, why } = variant;
    const held =
      heldOut === undefined
        ? '–'
        : `${heldOut.drop.value.toFixed(2)} (≤ ${heldOut.drop.interval.high.toFixed(2)})`;
    return [
      `${variant === chosen ? '▶ ' : '  '}${title}`,
      quantity(bytes, 'B'),
      drop?.value.toFixed(2) ?? '–',
      held,
      speed === undefined ? '–' : `${speed.speedRatio.value.toFixed(2)}×`,
      why,
    ];
  });
  const head = ['variant', 'size', `${metric.name} lost, tuning`, 'held out', 'speed', 'why'];
  return textTable(head, rows, ['left', 'right', 'right', 'right', 'right', 'left']);
}

function jsonOf(result: MixResult, out: string): unknown {
  const {
    verdict,
    why,
    chosen,
    bestUniform,
    bestMix,
    layers,
    variants,
    unavailable,
    records,
    rule,
    heldOut,
    baseline,
  } = result;
  return {
    out,
    verdict,
    why,
    bytes: chosen.bytes,
    assignment: chosen.effective,
    bestUniform: bestUniform.title,
    againstUniform: bestMix && { variant: bestMix.variant.title, speed: bestMix.against.speedRatio },
    asGiven: baseline.record,
    heldOut: { record: heldOut.evaluation.record, drop: heldOut.drop },
    layers: layers.map(({ layer, choices, sensitivity, speed }) => ({
      ...layer,
      choices,
      sensitivity,
      speed,
    })),
    variants: variants.map(({ title, bytes, effective, drop, heldOut: held, speed, why: reason, notes }) => ({
      title,
      bytes,
      assignment: effective,
      drop,
      heldOut: held?.drop,
      speed: speed?.speedRatio,
      why: reason,
      refused: notes.filter(({ action }) => action !== 'changed'),
    })),
    unavailable,
    rule,
    records,
  };
}
