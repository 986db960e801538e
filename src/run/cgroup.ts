import { readFileSync } from 'node:fs';
import { join } from 'node:path';

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** The lowest of the limits found, or undefined where there is none. */
function lowest(limits: readonly (number | undefined)[]): number | undefined {
  const found = limits.filter((limit) => limit !== undefined && Number.isFinite(limit) && limit > 0);
  return found.length > 0 ? Math.min(...(found as number[])) : undefined;
}

/**
 * The folders whose limits bind this process: its own group and all above it, for a controller (v2 has one hierarchy for
 * all). In a container the innermost is mounted as the root itself.
 */
function groups(root: string, controller: 'cpu' | 'memory', membership: string): string[] {
  const folders: string[] = [];
  for (const line of membership.split('\n')) {
    const [, names = '', path = '/'] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (names !== '' && !names.split(',').includes(controller)) continue;
    const base = names === '' ? root : join(root, controller);
    const steps = path.split('/').filter((step) => step !== '' && step !== '..');
    for (let n = steps.length; n > 0; n--) folders.push(join(base, ...steps.slice(0, n)));
  }
  return [...folders, root, join(root, controller)];
}

export interface CgroupPlaces {
  /** Where the hierarchy is mounted. */
  readonly root?: string;
  /** The text of /proc/self/cgroup. */
  readonly membership?: string;
}

function placesOf({ root = '/sys/fs/cgroup', membership }: CgroupPlaces): {
  root: string;
  membership: string;
} {
  return { root, membership: membership ?? read('/proc/self/cgroup') ?? '' };
}

/** The CPU quota of the control groups in cores (v2 `cpu.max`, v1 `cpu.cfs_quota_us`), or undefined without one. */
export function cpuQuota(places: CgroupPlaces = {}): number | undefined {
  const { root, membership } = placesOf(places);
  return lowest(
    groups(root, 'cpu', membership).flatMap((folder) => {
      const [quota, period] = read(join(folder, 'cpu.max'))?.split(/\s+/) ?? [];
      const v1 =
        Number(read(join(folder, 'cpu.cfs_quota_us'))) / Number(read(join(folder, 'cpu.cfs_period_us')));
      return [Number(quota) / Number(period), v1];
    }),
  );
}

/** Bytes that the control groups allow (v2 `memory.max`, v1 `memory.limit_in_bytes`), or undefined without a limit. */
export function memoryLimit(places: CgroupPlaces = {}): number | undefined {
  const { root, membership } = placesOf(places);
  const limit = lowest(
    groups(root, 'memory', membership).flatMap((folder) =>
      ['memory.max', 'memory.limit_in_bytes'].map((name) => Number(read(join(folder, name)))),
    ),
  );
  // v1 says "no limit" by a number near 2^63.
  return limit !== undefined && limit < 2 ** 60 ? limit : undefined;
}
