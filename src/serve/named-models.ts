import { dirname, resolve } from 'node:path';
import { fail } from '../base/index.ts';
import { flagOf, type ServerConfig } from './config/settings.ts';
import type { Found, Place } from './models/find-versions.ts';

/** Settings that name models. */
const BY_MODEL = ['canary', 'goal', 'state'] as const;

/** Holds what settings say of single models to what lies at the places. Throws SERVER_CONFIG_INVALID. */
export function assertNamed(
  config: Pick<ServerConfig, (typeof BY_MODEL)[number]>,
  found: readonly Found[],
  places: readonly Place[],
): void {
  const names = new Set(found.map((one) => one.name));
  for (const setting of BY_MODEL) {
    // A goal without a name is everybody's.
    const odd = Object.keys(config[setting] ?? {}).find(
      (name) => !names.has(name) && !(setting === 'goal' && name === ''),
    );
    if (odd === undefined) continue;
    const why = odd === '' ? 'it takes NAME=VALUE: which model is meant?' : `there is no model "${odd}"`;
    throw fail('SERVER_CONFIG_INVALID', `${flagOf(setting)}: ${why}; there are ${[...names].join(', ')}`, {
      setting,
    });
  }
  const alone = new Set(places.map(({ path }) => resolve(path)));
  for (const name of Object.keys(config.canary ?? {})) {
    const versions = found.filter((one) => one.name === name);
    // A second version can still come into a folder of versions, but not beside a model that was named itself.
    if (!versions.every(({ path }) => alone.has(path) || alone.has(dirname(path)))) continue;
    throw fail(
      'SERVER_CONFIG_INVALID',
      `${flagOf('canary')}: "${name}" has one version only; a canary needs a folder of versions`,
      { setting: 'canary' },
    );
  }
}
