import { type Command as Commander, Option } from 'commander';
import { fail } from '../../base/index.ts';
import {
  addKey,
  flagOf,
  type RunningServer,
  roomyHeap,
  SETTING_NAMES,
  SETTINGS,
  type ServeOptions,
  type SettingName,
  serverConfig,
  startServer,
  written,
} from '../../serve/index.ts';
import type { Command, Console } from '../command.ts';
import { loadConfig } from '../config.ts';
import { numberOf } from '../options.ts';
import { serveWelcome } from '../serve-welcome.ts';

const GROUPS = {
  models: 'Models:',
  network: 'Network:',
  security: 'Security:',
  load: 'Load:',
  watching: 'Watching and metering:',
} as const;

/** Of the command line alone. */
const OWN = ['config', 'printConfig', 'newKey', 'keyLimit', 'json', 'quiet'];

export const serveCommand: Command = {
  name: 'serve',
  summary:
    'answers requests: REST and gRPC (Open Inference Protocol), batches within the latency goal, metering',
  stopping: 'Leaving: not ready any more, answering what is under way.',
  configure(command) {
    command.argument('[models...]', 'bundles, .onnx files or folders of them, each as PATH or NAME=PATH');
    for (const name of SETTING_NAMES) if (name !== 'models') addSetting(command, name);
    command
      .optionsGroup('Command:')
      .option('--config <file>', 'settings from this file (default: modicum.serve.{ts,mts,js,mjs,json} here)')
      .option('--print-config', 'shows the settings and where each comes from, and ends')
      .option('--new-key <name>', 'makes an API key, adds it to the file of --keys, shows it once, and ends')
      .option(
        '--key-limit <limit>',
        'of the new key: requestsPerSecond=10, burst=20, samplesPerSecond=100, concurrent=4 or expires=2027-01-01; may be repeated',
        collect,
      )
      .addHelpText(
        'after',
        `
Every option is also a variable (--max-batch: MODICUM_SERVE_MAX_BATCH) and a field of the file (maxBatch).
Options beat variables, variables beat the file, the file beats what a bundle says.

Examples:
  modicum serve out/spotter
  modicum serve spotter=out/spotter digits=mnist.onnx --goal 20ms --goal digits=5ms
  modicum serve models/ --host 0.0.0.0 --keys keys.json --price c7i.large
  modicum serve --new-key shop --keys keys.json --key-limit requestsPerSecond=50`,
      );
  },
  async run(args, options, console) {
    if (options.newKey !== undefined) return newKey(options, console);
    const { price, region, wattsPerCore } = await loadConfig();
    const flags = Object.fromEntries(Object.entries(options).filter(([name]) => !OWN.includes(name)));
    const { config, origins } = await serverConfig(
      { ...flags, ...(args.length > 0 && { models: [...args] }) } as ServeOptions,
      { config: options.config as string | undefined, project: { price, region, wattsPerCore } },
    );
    if (options.printConfig === true) {
      console.print(JSON.stringify({ config, origins }, undefined, 2));
      return { json: { config, origins } };
    }
    roomyHeap();
    const server = await startServer(config, { signal: console.signal });
    console.print(serveWelcome(server, config));
    const cut = await untilEnd(server, console.signal);
    if (cut > 0)
      console.note(`${cut} requests were cut off: they took longer than ${config.drain} ms to end.`);
    return { json: { address: server.address, grpcAddress: server.grpcAddress, cut } };
  },
};

function addSetting(command: Commander, name: SettingName): void {
  const { kind, help, group, fallback } = SETTINGS[name] as {
    kind: { placeholder?: string; many?: boolean };
    help: string;
    group: keyof typeof GROUPS;
    fallback?: unknown;
  };
  const flag = flagOf(name);
  const put = (option: Option) => command.addOption(option.helpGroup(GROUPS[group]));
  if (kind.placeholder === undefined) {
    // Both ways can be said, so that a variable or the file can be taken back; help shows the one that changes something.
    put(hiddenIf(new Option(flag, help), fallback === true));
    put(hiddenIf(new Option(flag.replace('--', '--no-'), `Not: ${help}`), fallback !== true));
    return;
  }
  const said =
    fallback === undefined || (Array.isArray(fallback) && fallback.length === 0)
      ? ''
      : ` (default: ${written(name, fallback)})`;
  const option = new Option(`${flag} <${kind.placeholder}>`, `${help}${said}`);
  if (kind.many) option.argParser(collect);
  put(option);
}

const hiddenIf = (option: Option, hidden: boolean) => (hidden ? option.hideHelp() : option);

function collect(given: string, before: string[] | undefined): string[] {
  return [...(before ?? []), given];
}

/** Serves until the signal; a second one ends the process, which the command line does itself. */
async function untilEnd(server: RunningServer, signal: AbortSignal): Promise<number> {
  if (!signal.aborted) {
    // Nothing else may keep the process alive when its port is a pipe of a test, say.
    const alive = setInterval(() => {}, 2 ** 30);
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    clearInterval(alive);
  }
  return server.close();
}

async function newKey(options: Readonly<Record<string, unknown>>, { print, note }: Console) {
  const file = options.keys;
  if (typeof file !== 'string')
    throw fail('SERVER_CONFIG_INVALID', '--new-key needs --keys FILE: where is it kept?');
  const name = String(options.newKey);
  const limits = Object.fromEntries(((options.keyLimit as string[] | undefined) ?? []).map(limitOf));
  const key = await addKey(file, name, limits);
  print(key);
  note(
    `This is the key of "${name}". It is shown only now; ${file} keeps what proves it. Send it as "authorization: Bearer KEY".`,
  );
  return { json: { name, key, file } };
}

const LIMITS = ['requestsPerSecond', 'burst', 'samplesPerSecond', 'concurrent', 'expires'];

function limitOf(given: string): [string, unknown] {
  const [, name = '', value = ''] = /^([^=]+)=(.+)$/.exec(given) ?? [];
  if (!LIMITS.includes(name)) {
    throw fail(
      'SERVER_CONFIG_INVALID',
      `--key-limit is "${given}"; it takes NAME=VALUE with ${LIMITS.join(', ')}`,
    );
  }
  return [name, name === 'expires' ? value : numberOf(`key-limit ${name}`, value, 0)];
}
