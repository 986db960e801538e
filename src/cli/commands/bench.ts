import { fail } from '../../base/index.ts';
import { assertPlace, writeFileAtomically } from '../../files/index.ts';
import { runBench, SCENARIOS, type Scenario, writeTrace } from '../../load/index.ts';
import { digits, renderLoadHtml, renderLoadTerminal } from '../../report/index.ts';
import { arrivalsOption } from '../arrivals.ts';
import type { Command } from '../command.ts';
import { loadConfig } from '../config.ts';
import { bindingsOf, dataOf, numberOf, secondsOf, wholeOf, withData } from '../options.ts';

export const benchCommand: Command = {
  name: 'bench',
  summary: "puts a model, a bundle or a server under load, by MLPerf's scenarios",
  configure(command) {
    command.argument(
      '<target>',
      'an .onnx file, the folder of a bundle, http(s)://host:port/v2/models/NAME or grpc://host:port/NAME',
    );
    withData(command, false)
      .requiredOption('--scenario <name>', SCENARIOS.join(', '))
      .option('--strict', "MLPerf's minimum durations and counts (10 minutes or more)")
      .option('--seconds <time>', 'time that is measured (default: 10s; 600s with --strict)')
      .option('--warm-up <time>', 'time before it, not measured (default: a tenth)')
      .option('--p99 <time>', 'within which 99 % of the queries must be answered, such as 20ms')
      .option('--find', 'server: the highest rate that keeps --p99')
      .option('--rate <list>', 'server: queries per second; several make a load curve')
      .option(
        '--arrivals <how>',
        'server: poisson, uniform, bursty[:burst=5,on=1s,off=4s], diurnal[:day=60s,swing=0.8] or trace:FILE',
        'poisson',
      )
      .option('--timeout <time>', 'after which a query is given up', '30s')
      .option('--outstanding <n>', 'server: queries outstanding at once, at most', '16384')
      .option('--batch <n>', 'offline: samples a call')
      .option('--concurrency <n>', 'offline: calls at once')
      .option('--threads <n>', 'intra-op threads of a model or bundle')
      .option('--instances <n>', 'copies of a model or bundle that compute at once')
      .option('--key <key>', 'API key of a server')
      .option('--dim <name=size...>', 'sizes of named dimensions, for random inputs')
      .option('--seed <n>', 'of arrivals and samples', '1')
      .option('--html <file>', 'also write a report with charts')
      .option('--record <file>', 'also write every query as a .csv that --arrivals trace:FILE repeats')
      .addHelpText(
        'after',
        '\nExamples:\n  modicum bench model.onnx --scenario single-stream\n  modicum bench out/bundle --scenario server --p99 20ms --find --html load.html\n  modicum bench http://localhost:8080/v2/models/m --scenario server --rate 100,200,400 --p99 20ms',
      );
  },
  async run([target = ''], options, { print, note, progress, signal }) {
    const config = await loadConfig();
    const given = <T>(name: string, read: (text: unknown) => T): T | undefined =>
      options[name] === undefined ? undefined : read(options[name]);
    const files = [options.html, options.record].filter((file) => file !== undefined) as string[];
    for (const file of files) await assertPlace(file);
    const scenario = options.scenario as Scenario;
    if (!SCENARIOS.includes(scenario)) {
      throw fail('USAGE_BAD_OPTION', `--scenario is "${scenario}"; there are ${SCENARIOS.join(', ')}`);
    }
    const rates = given('rate', (text) =>
      String(text)
        .split(',')
        .map((one) => numberOf('rate', one, 0.001, 1e7)),
    );
    const { result, recording } = await runBench(target, {
      scenario,
      strict: options.strict === true,
      seconds: given('seconds', (text) => secondsOf('seconds', text)),
      warmUpSeconds: given('warmUp', (text) => secondsOf('warm-up', text)),
      data: await dataOf(options, config),
      bindings: bindingsOf(options.dim as string[] | undefined),
      seed: wholeOf('seed', options.seed, 0, 2 ** 31 - 1),
      arrivals: await arrivalsOption(String(options.arrivals), rates?.[0]),
      rates,
      p99: given('p99', (text) => secondsOf('p99', text) * 1000),
      find: options.find === true,
      timeoutMs: secondsOf('timeout', options.timeout) * 1000,
      maxOutstanding: wholeOf('outstanding', options.outstanding, 1, 1e6),
      batch: given('batch', (text) => wholeOf('batch', text, 1, 65536)),
      concurrency: given('concurrency', (text) => wholeOf('concurrency', text, 1, 65536)),
      key: options.key as string | undefined,
      settings: {
        threads: given('threads', (text) => wholeOf('threads', text, 1, 1024)),
        instances: given('instances', (text) => wholeOf('instances', text, 1, 1024)),
      },
      onTrial: ({ rate, met, p99, hopeless }) =>
        note(
          `${digits(rate)}/s: ${hopeless ? 'given up' : `p99 ${p99 === null ? 'endless' : `${digits(p99)} ms`}`}${met === undefined ? '' : met ? ', kept' : ', broken'}`,
        ),
      progress,
      signal,
    });
    print(renderLoadTerminal(result));
    if (typeof options.html === 'string') {
      await writeFileAtomically(options.html, await renderLoadHtml(result));
      note(`report: ${options.html}`);
    }
    if (typeof options.record === 'string') {
      await writeTrace(options.record, recording);
      note(`queries: ${options.record}`);
    }
    const missed = result.found === undefined ? result.bound?.met === false : result.found.rate === undefined;
    return { json: result, exit: missed || result.partial ? 1 : 0 };
  },
};
