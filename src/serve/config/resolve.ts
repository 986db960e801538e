import { fail } from '../../base/index.ts';
import type { LoadedFile } from './file.ts';
import type { Kind } from './kinds.ts';
import {
  flagOf,
  SETTING_NAMES,
  SETTINGS,
  type ServerConfig,
  type SettingName,
  variableOf,
} from './settings.ts';

type Values = Readonly<Record<string, unknown>>;

export interface Sources {
  /** By name of the setting, as given on the command line or by a caller; undefined: not given. */
  readonly flags?: Values;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly file?: LoadedFile;
  /** What counts before the defaults: settings of the project. */
  readonly project?: Values;
}

export interface Resolved {
  readonly config: ServerConfig;
  /** Where each value comes from, for --print-config: 'flag', 'MODICUM_SERVE_PORT', the file, 'default'. */
  readonly origins: Readonly<Partial<Record<SettingName, string>>>;
}

/** Puts the settings together: flags beat variables, which beat the file, which beats the defaults. Throws SERVER_CONFIG_INVALID. */
export function resolveConfig(sources: Sources): Resolved {
  const { flags = {}, env = {}, file, project = {} } = sources;
  refuseUnknown(env, file, flags);
  const config: Record<string, unknown> = {};
  const origins: Partial<Record<SettingName, string>> = {};
  for (const name of SETTING_NAMES) {
    const fromEnv = env[variableOf(name)];
    const found =
      flags[name] !== undefined
        ? { value: flags[name], where: flagOf(name), origin: 'flag' }
        : fromEnv !== undefined && fromEnv !== ''
          ? { value: fromEnv, where: variableOf(name), origin: variableOf(name) }
          : file?.values[name] !== undefined
            ? { value: file.values[name], where: `${name} in ${file.path}`, origin: file.path }
            : project[name] !== undefined
              ? { value: project[name], where: name, origin: 'project' }
              : undefined;
    const { kind } = SETTINGS[name];
    const fallback = (SETTINGS[name] as { fallback?: unknown }).fallback;
    if (found !== undefined) config[name] = checked(name, kind, found.value, found.where);
    else if (fallback !== undefined) config[name] = fallback;
    if (found !== undefined || fallback !== undefined) origins[name] = found?.origin ?? 'default';
  }
  const complete = { models: [], ...config } as unknown as ServerConfig;
  assertTogether(complete);
  return { config: complete, origins };
}

function checked(name: SettingName, kind: Kind<unknown>, value: unknown, where: string): unknown {
  const parsed = kind.schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw fail('SERVER_CONFIG_INVALID', `${where} is ${shown(value)}; it takes ${kind.takes}`, {
    setting: name,
    hint: `Mend ${where}; docs/serve.md has all settings.`,
  });
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}

/** A misspelt setting must not be silent. */
function refuseUnknown(env: Values, file: LoadedFile | undefined, flags: Values): void {
  const known = new Set<string>(SETTING_NAMES);
  for (const [where, names] of [
    [file?.path, Object.keys(file?.values ?? {})],
    ['the options', Object.keys(flags)],
  ] as const) {
    const odd = names.find((name) => !known.has(name));
    if (odd === undefined) continue;
    throw fail(
      'SERVER_CONFIG_INVALID',
      `${where}: there is no setting "${odd}"${nearest(odd, SETTING_NAMES)}`,
      {
        setting: odd,
      },
    );
  }
  const variables = SETTING_NAMES.map(variableOf);
  const odd = Object.keys(env).find((name) => name.startsWith('MODICUM_SERVE_') && !variables.includes(name));
  if (odd === undefined) return;
  throw fail('SERVER_CONFIG_INVALID', `there is no variable ${odd}${nearest(odd, variables)}`, {
    setting: odd,
    hint: 'Take it away or mend its name. Kubernetes makes such variables of a service named modicum-serve: set enableServiceLinks: false.',
  });
}

/** ", did you mean ...?" where one is near. */
function nearest(odd: string, names: readonly string[]): string {
  const [best] = names
    .map((name) => ({ name, away: distance(odd.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.away - b.away);
  return best !== undefined && best.away <= 3 ? `; did you mean ${best.name}?` : '';
}

/** Edits between two words (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}

/** What each value allows and all together do not. */
function assertTogether(config: ServerConfig): void {
  const no = (setting: SettingName, why: string) => fail('SERVER_CONFIG_INVALID', why, { setting });
  const { tlsCert, tlsKey, tlsClientCa, port, grpcPort } = config;
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    throw no('tlsCert', `${flagOf('tlsCert')} and ${flagOf('tlsKey')} go together: one of them is missing`);
  }
  if (tlsClientCa !== undefined && tlsCert === undefined) {
    throw no('tlsClientCa', `${flagOf('tlsClientCa')} needs ${flagOf('tlsCert')} and ${flagOf('tlsKey')}`);
  }
  if (port !== 0 && port === grpcPort) throw no('grpcPort', `REST and gRPC cannot both have port ${port}`);
}
