import { stat } from 'node:fs/promises';
import { loadModel, saveModel } from '../../files/index.ts';
import { assertValid } from '../../graph/index.ts';
import { quantity, textTable } from '../../report/index.ts';
import { IMPORTANCES, type PruneResult, parseLoss, prune } from '../../train/index.ts';
import { cleanUp, printGroups, pruneGroups } from '../../transform/index.ts';
import type { Command } from '../command.ts';
import { loadConfig } from '../config.ts';
import { numberOf, wholeOf, withData } from '../options.ts';
import { trainingRequest, withTraining } from '../training.ts';

export const pruneCommand: Command = {
  name: 'prune',
  summary: 'cuts channels, heads and units that matter least; refits and teaches what is left',
  configure(command) {
    command.argument('<model>', 'an .onnx file');
    const ways = Object.values(IMPORTANCES).map(({ name, summary }) => `${name} (${summary})`);
    withTraining(
      withData(command, false)
        .option('--groups', 'only prints what would shrink together, and what stays and why')
        .option('--ratio <x>', 'share of the multiply-accumulates that goes (default: 0.5)')
        .option(
          '--latency <x>',
          'instead: share of the time of a call that stays, measured on this machine, such as 0.5',
        )
        .option('--at-batch <n>', 'samples of the call that --latency measures', '1')
        .option(
          '--importance <name>',
          `${ways.join(', ')} (default: taylor with labels, activations without, l2 without data)`,
        )
        .option('--uniform', 'the same share of each group, instead of the least important of all')
        .option('--round-to <n>', 'channels stay a multiple of it, which fills vector registers', '8')
        .option('--max-ratio <x>', 'at most this share of a group goes', '0.9')
        .option('--exclude <patterns...>', 'weights or nodes whose groups stay whole, * for any letters')
        .option('--rounds <n>', 'cuts, each followed by repair and training', '1')
        .option('--no-repair', 'does not refit what reads the cut channels')
        .option('--no-tune', 'does not train')
        .option(
          '--alpha <x>',
          "share of the original in the loss of training, the rest is the labels' (default: 0.9)",
        )
        .option('--temperature <x>', 'softens the distributions of both (default: 4)')
        .option('--label-loss <spec...>', 'what outputs learn from the labels, as --loss of modicum train'),
      '5, in all rounds together',
    ).addHelpText(
      'after',
      `
Without --data it cuts by the weights alone, and nothing repairs what that breaks.

Examples:
  modicum prune model.onnx --groups
  modicum prune model.onnx --data train.npz --ratio 0.75 --rounds 2 --epochs 10
  modicum prune model.onnx --data train.npz --latency 0.5 --at-batch 32`,
    );
  },
  async run([path = ''], options, console) {
    const { print, progress, signal } = console;
    const model = await loadModel(path);
    assertValid(model);
    if (options.groups === true) {
      const { model: clean } = await cleanUp.apply(model, cleanUp.defaults, { progress, signal, seed: 0 });
      const groups = pruneGroups(clean);
      print(printGroups(groups));
      return { json: groups.groups };
    }
    const config = await loadConfig();
    const places = { out: path.replace(/(\.onnx)?$/, '.pruned.onnx'), inputs: [path] };
    const number = (name: string, least: number, most: number) =>
      options[name] === undefined ? undefined : numberOf(name, options[name], least, most);
    const request = await trainingRequest(options, config, places, console, false);
    const data = request.data;
    const threads = options.threads === undefined ? undefined : wholeOf('threads', options.threads, 1, 1024);
    const { epochs, steps, seconds, ...fit } = request.fit;
    const length = [epochs, steps, seconds].every((one) => one === undefined)
      ? { epochs: 5 }
      : { epochs, steps, seconds };
    const result = await prune(model, data, {
      ratio: number('ratio', 0, 1),
      latency: number('latency', 0, 1),
      latencyOptions: { batch: wholeOf('at-batch', options.atBatch, 1, 65536), threads },
      importance: options.importance as string | undefined,
      limits: {
        scope: options.uniform === true ? 'uniform' : 'global',
        roundTo: wholeOf('round-to', options.roundTo, 1, 1024),
        maxRatio: numberOf('max-ratio', options.maxRatio, 0, 0.999),
        exclude: (options.exclude as string[] | undefined) ?? [],
      },
      rounds: wholeOf('rounds', options.rounds, 1, 100),
      repair: options.repair !== false,
      tune: options.tune !== false && {
        ...fit,
        ...length,
        alpha: number('alpha', 0, 1),
        temperature: number('temperature', 0.01, 1000),
        losses: (options.labelLoss as string[] | undefined)?.map(parseLoss),
      },
      seed: fit.seed,
      progress,
      signal,
    });
    await saveModel(result.model, request.out);
    await request.removeCheckpoints();
    print(report(result));
    if (data === undefined)
      console.note('without --data nothing was refitted or trained: expect a large loss of accuracy');
    const [before, after] = [(await stat(path)).size, (await stat(request.out)).size];
    print(`\n wrote ${request.out}, ${quantity(after, 'B')} (${path} has ${quantity(before, 'B')})`);
    const { model: _, ...json } = result;
    return { json: { ...json, out: request.out, bytes: after } };
  },
};

function report({ rounds, macs, macsBefore, latency }: PruneResult): string {
  const rows = rounds.map(({ macs: left, units, unitsBefore, repaired, losses }, i) => {
    const refitted = repaired.filter(({ refused }) => refused === undefined);
    const gain = refitted.length === 0 ? '' : `${refitted.length} of ${repaired.length}`;
    return [
      String(i + 1),
      quantity(left, ''),
      `${units} of ${unitsBefore}`,
      gain,
      losses.length === 0 ? '' : `${losses[0]!.toPrecision(3)} to ${losses.at(-1)!.toPrecision(3)}`,
    ];
  });
  const table = textTable(['round', 'MACs left', 'units cut', 'layers refitted', 'loss of training'], rows);
  const short = rounds.some(({ reached }) => !reached)
    ? '\nthe limits left more than was asked for: see --max-ratio, --round-to and --groups'
    : '';
  const time =
    latency === undefined
      ? ''
      : `\na call takes ${(100 * latency).toFixed(0)} % of the time it took, measured`;
  const share = `${quantity(macs, '')} of ${quantity(macsBefore, '')} MACs are left (${(macsBefore / macs).toFixed(2)} times fewer)`;
  return `${table}\n\n${share}${time}${short}`;
}
