import { loadServerFile } from './config/file.ts';
import { type Resolved, resolveConfig } from './config/resolve.ts';
import type { SettingName, ValueOf } from './config/settings.ts';
import { type RunningServer, startServer } from './server.ts';

/** Settings as a caller may say them: those that are left out come from the variables, the file, and the defaults. Times also as '20ms', sizes as '64MiB'. */
export type ServeOptions = { readonly [Name in SettingName]?: ValueOf<Name> | string };

export interface ServeSources {
  /** A file of settings; false: none. Default: modicum.serve.{ts,mts,js,mjs,json} of the working directory. */
  readonly config?: string | false;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** What counts before the defaults. */
  readonly project?: Readonly<Record<string, unknown>>;
}

/** The settings of all sources together. Throws SERVER_CONFIG_INVALID. */
export async function serverConfig(options: ServeOptions, sources: ServeSources = {}): Promise<Resolved> {
  const { config, env = process.env, project } = sources;
  const file = config === false ? undefined : await loadServerFile(config);
  return resolveConfig({ flags: options, env, file, project });
}

/**
 * Serves models, as `modicum serve` does: `const server = await serve({ models: ['out/spotter'] })`. Resolves when all models answer.
 * Throws SERVER_CONFIG_INVALID, SERVER_NOT_STARTED, PRICE_UNKNOWN, and why a model does not load.
 */
export async function serve(options: ServeOptions, sources: ServeSources = {}): Promise<RunningServer> {
  const { config } = await serverConfig(options, sources);
  return startServer(config);
}
