import { LOG_LEVELS } from '../observe/logs.ts';
import {
  byModel,
  bytes,
  choice,
  flag,
  type Kind,
  list,
  nameOrNumber,
  orOff,
  real,
  states,
  text,
  time,
  whole,
} from './kinds.ts';

interface Row {
  readonly kind: Kind<unknown>;
  /** For --help and docs/serve.md. */
  readonly help: string;
  /** Where nobody says anything. Undefined: what the bundle says, or as `help` tells. */
  readonly fallback?: unknown;
  readonly group: 'models' | 'network' | 'security' | 'load' | 'watching';
}

/**
 * All settings of the server: flags, variables, the fields of the file, --help and the table of docs/serve.md come from this list.
 * `maxBatch` is --max-batch, MODICUM_SERVE_MAX_BATCH, and maxBatch in a file.
 */
export const SETTINGS = {
  models: {
    kind: list('bundles, .onnx files or folders of models, each as PATH or NAME=PATH', '[name=]path'),
    help: 'What is served: bundles, .onnx files, folders of numbered versions (VERSION/), or folders of such folders (NAME/VERSION/).',
    group: 'models',
  },
  canary: {
    kind: byModel(real(0, 1, 'share')),
    help: 'Share of the requests without a version that the newest version of a model gets, also of those to come; the others go to the one before it.',
    group: 'models',
  },
  versions: {
    kind: choice(['latest', 'all']),
    fallback: 'latest',
    help: 'Which versions of a model answer: the newest (and the one before it, where there is a canary), or all.',
    group: 'models',
  },
  watch: {
    kind: flag,
    fallback: true,
    help: 'Models whose files change are loaded anew, without a dropped request.',
    group: 'models',
  },
  state: {
    kind: states,
    help: 'For streams: an output of a model that the server keeps and gives to this input at the next step. Default: what the metadata modicum.state of the model says.',
    group: 'models',
  },
  management: {
    kind: flag,
    fallback: false,
    help: 'Clients may load and unload models (v2/repository). Only what the server was started with; never a path of theirs.',
    group: 'models',
  },
  host: {
    kind: text('a host name or an address', 'host'),
    fallback: '127.0.0.1',
    help: 'Where it listens.',
    group: 'network',
  },
  port: {
    kind: whole(0, 65535),
    fallback: 8080,
    help: 'Port of REST, metrics and the dashboard; 0: any that is free.',
    group: 'network',
  },
  grpcPort: {
    kind: orOff(whole(0, 65535)),
    fallback: 8081,
    help: 'Port of gRPC; 0: any that is free; off: none.',
    group: 'network',
  },
  origins: {
    kind: list('origins such as https://example.org', 'origin'),
    fallback: [],
    help: 'Origins whose pages may ask (CORS); * for all.',
    group: 'network',
  },
  trustProxy: {
    kind: flag,
    fallback: false,
    help: 'Proxies in front are believed about the address of the client.',
    group: 'network',
  },
  bodyBytes: {
    kind: bytes(1024),
    fallback: 64 * 2 ** 20,
    help: 'Largest body of a request.',
    group: 'network',
  },
  bodyTime: {
    kind: time(1),
    fallback: 120_000,
    help: 'Time that the body of a request may take to arrive.',
    group: 'network',
  },
  dashboard: { kind: flag, fallback: true, help: 'The page at /dashboard/.', group: 'network' },
  tlsCert: {
    kind: text('a PEM file', 'file'),
    help: 'Certificate of the server; followed when it changes.',
    group: 'security',
  },
  tlsKey: { kind: text('a PEM file', 'file'), help: 'Its private key.', group: 'security' },
  tlsClientCa: {
    kind: text('a PEM file', 'file'),
    help: 'Clients must show a certificate that one of these has signed (mutual TLS).',
    group: 'security',
  },
  keys: {
    kind: text('a file made by "modicum serve --new-key"', 'file'),
    help: 'API keys; requests must carry one. Followed when the file changes.',
    group: 'security',
  },
  open: {
    kind: flag,
    fallback: false,
    help: 'Anybody who reaches it may ask, though it listens to other machines without keys or mutual TLS.',
    group: 'security',
  },
  goal: {
    kind: byModel(time(0.01)),
    help: 'Deadline of requests that name none. Default: the p99 that the bundle was made for, else 1s.',
    group: 'load',
  },
  prefer: {
    kind: choice(['latency', 'compute']),
    fallback: 'latency',
    help: 'latency: a request waits for others only where that makes delays smaller; compute: as long as deadlines allow, for the largest batches.',
    group: 'load',
  },
  maxBatch: {
    kind: whole(1, 65536),
    help: 'Samples of a batch at most. Default: by what is learned of the model, up to 64.',
    group: 'load',
  },
  instances: {
    kind: whole(1, 1024),
    help: "Copies of each model that compute at the same time. Default: the bundle's, else 1.",
    group: 'load',
  },
  threads: {
    kind: whole(1, 1024),
    help: "Threads of each copy. Default: the bundle's, else all cores.",
    group: 'load',
  },
  isolation: {
    kind: choice(['process', 'thread']),
    fallback: 'process',
    help: 'Models compute in processes of their own, which may crash, or in threads of the server.',
    group: 'load',
  },
  maxQueue: {
    kind: whole(1, 1e7),
    fallback: 4096,
    help: 'Samples of a model that wait at most.',
    group: 'load',
  },
  maxQueueBytes: {
    kind: bytes(1024),
    fallback: 256 * 2 ** 20,
    help: 'Bytes of inputs of a model that wait at most.',
    group: 'load',
  },
  requests: {
    kind: whole(1, 1e6),
    fallback: 10_000,
    help: 'Requests under way at most, all models.',
    group: 'load',
  },
  heldBytes: {
    kind: bytes(1024),
    fallback: 512 * 2 ** 20,
    help: 'Memory for requests that must be held whole (JSON, strings, gRPC), all models.',
    group: 'load',
  },
  cacheBytes: {
    kind: orOff(bytes(1024)),
    fallback: 'off',
    help: 'Response cache of each model: same inputs, same answer without computing. Not for streams.',
    group: 'load',
  },
  recycleRuns: {
    kind: whole(1, 1e12),
    help: 'A compute process is replaced after so many batches. Default: never.',
    group: 'load',
  },
  recycleAge: {
    kind: time(1000),
    help: 'A compute process is replaced at this age. Default: never.',
    group: 'load',
  },
  grace: {
    kind: time(0),
    fallback: 5000,
    help: 'On SIGTERM: time to go on serving while not ready, so that load balancers turn away.',
    group: 'load',
  },
  drain: {
    kind: time(0),
    fallback: 30_000,
    help: 'Time that requests under way have to end after that.',
    group: 'load',
  },
  logLevel: {
    kind: choice(LOG_LEVELS, 'level'),
    fallback: 'info',
    help: `Lines of JSON on standard error, from this level on: ${LOG_LEVELS.join(', ')}.`,
    group: 'watching',
  },
  logRequests: {
    kind: choice(['none', 'errors', 'all']),
    fallback: 'errors',
    help: 'Which requests are logged; a flood of errors is ten lines a second.',
    group: 'watching',
  },
  logSample: {
    kind: real(0, 1),
    fallback: 1,
    help: 'Share of answered requests that "all" logs.',
    group: 'watching',
  },
  price: {
    kind: nameOrNumber('dollars per machine-hour, or a machine of the price list', 'usd|machine'),
    help: 'What the machine costs an hour, for dollars by request, model and key.',
    group: 'watching',
  },
  region: {
    kind: text('a country code, a cloud region or "world"', 'code'),
    help: 'Region of the grid, for CO2 on the dashboard.',
    group: 'watching',
  },
  wattsPerCore: {
    kind: real(0.01, 1000, 'w'),
    help: 'What one busy core draws, where you know it; beats counters and table.',
    group: 'watching',
  },
} as const satisfies Record<string, Row>;

export type SettingName = keyof typeof SETTINGS;

export type ValueOf<Name extends SettingName> =
  (typeof SETTINGS)[Name]['kind'] extends Kind<infer Value> ? Value : never;

type Sure = {
  [Name in SettingName]: (typeof SETTINGS)[Name] extends { fallback: unknown } ? Name : never;
}[SettingName];

/** The settings as the server takes them: times in ms, sizes in bytes. */
export type ServerConfig = { readonly [Name in Sure | 'models']: ValueOf<Name> } & {
  readonly [Name in Exclude<SettingName, Sure | 'models'>]?: ValueOf<Name>;
};

export const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[];

const dashed = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
export const flagOf = (name: SettingName) => `--${dashed(name)}`;
export const variableOf = (name: SettingName) =>
  `MODICUM_SERVE_${dashed(name).replaceAll('-', '_').toUpperCase()}`;
