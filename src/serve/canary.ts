import { fail } from '../base/index.ts';
import { findVersions, type Place } from './models/find-versions.ts';
import type { Shares } from './models/shelf.ts';

/** What `canary` says, as shares by version: the newest version gets its part, the one before it the rest. Throws SERVER_CONFIG_INVALID. */
export async function canaryShares(
  canary: Readonly<Record<string, number>>,
  places: readonly Place[],
): Promise<Record<string, Shares>> {
  const found = (await Promise.all(places.map((place) => findVersions(place)))).flat();
  const no = (why: string) => fail('SERVER_CONFIG_INVALID', why, { setting: 'canary' });
  const shares: Record<string, Shares> = {};
  for (const [name, share] of Object.entries(canary)) {
    if (name === '') throw no('--canary takes NAME=SHARE: whose newest version is it?');
    const versions = found.filter((one) => one.name === name).map(({ version }) => version);
    if (versions.length === 0) {
      const names = [...new Set(found.map((one) => one.name))].join(', ');
      throw no(`--canary: there is no model "${name}"; there are ${names}`);
    }
    const [before, newest] = versions.slice(-2);
    if (newest === undefined || before === undefined) {
      throw no(`--canary: "${name}" has one version only; a canary needs the one before it`);
    }
    shares[name] = { [before]: 1 - share, [newest]: share };
  }
  return shares;
}
