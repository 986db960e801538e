import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../base/index.ts';

/** One energy counter of Linux' powercap tree. */
export interface PowerZone {
  /** Folder name, such as intel-rapl:0:2. */
  readonly id: string;
  /** What it covers: package-0, dram, core, uncore, psys. */
  readonly name: string;
  readonly path: string;
  /** The counter starts again from 0 after this many microjoules. */
  readonly maxMicrojoules: number;
}

/** Which counters can be summed, or why there are none. */
export interface Powercap {
  readonly zones: readonly PowerZone[];
  /** Where `zones` is empty: no such tree, no permission, ... */
  readonly why?: string;
  /** Zones seen but not summed, with the reason. */
  readonly left: readonly { readonly zone: string; readonly why: string }[];
}

/**
 * Chooses the counters to sum. Zones nest: core and uncore lie inside of package, and psys around everything, so that the
 * sum of all counts the same joule up to three times. Packages and the memory beside them (dram) are summed, each package
 * once (the mmio interface shows the same ones again); psys alone where there is no package.
 * `root` is /sys/class/powercap, or a copy of such a tree.
 */
export async function findPowercap(root = '/sys/class/powercap'): Promise<Powercap> {
  let names: string[];
  try {
    names = (await readdir(root)).filter((name) => /^[\w-]+(:\d+)+$/.test(name));
    // The mmio interface last: its packages count only where the other does not show them.
    names.sort((a, b) => Number(a.includes('mmio')) - Number(b.includes('mmio')) || (a < b ? -1 : 1));
  } catch {
    return { zones: [], left: [], why: `there is no ${root} (no Linux, or a virtual machine)` };
  }
  const zones: PowerZone[] = [];
  const left: { zone: string; why: string }[] = [];
  const denied: string[] = [];
  const found: PowerZone[] = [];
  for (const id of names) {
    const path = join(root, id);
    try {
      const name = (await readFile(join(path, 'name'), 'utf8')).trim();
      const maxMicrojoules = Number(await readFile(join(path, 'max_energy_range_uj'), 'utf8'));
      await readMicrojoules(path);
      found.push({ id, name, path, maxMicrojoules });
    } catch (cause) {
      const code = (cause as NodeJS.ErrnoException).code;
      if (code === 'EACCES' || code === 'EPERM') denied.push(id);
      else left.push({ zone: id, why: messageOf(cause) });
    }
  }
  const seen = new Set<string>();
  for (const zone of found) {
    const depth = zone.id.split(':').length - 1;
    if (depth === 1 && zone.name.startsWith('package')) {
      if (seen.has(zone.name)) left.push({ zone: zone.id, why: `${zone.name} is already counted` });
      else {
        seen.add(zone.name);
        zones.push(zone);
      }
    } else if (zone.name !== 'dram' && zone.name !== 'psys') {
      left.push({ zone: zone.id, why: `${zone.name} lies inside of another zone` });
    }
  }
  for (const zone of found) {
    if (zone.name !== 'dram') continue;
    const parent = zone.id.slice(0, zone.id.lastIndexOf(':'));
    if (zones.some(({ id }) => id === parent)) zones.push(zone);
    else left.push({ zone: zone.id, why: 'its package is not counted' });
  }
  for (const zone of found) {
    if (zone.name !== 'psys') continue;
    if (zones.length === 0 && denied.length === 0) zones.push(zone);
    else left.push({ zone: zone.id, why: 'psys holds the packages already counted' });
  }
  // A package that cannot be read would be missing from the sum: no figure is better than a wrong one.
  if (denied.length > 0) {
    const why = `no permission to read ${denied.join(', ')} under ${root}: run as root, or chmod a+r its energy_uj`;
    return { zones: [], left, why };
  }
  return zones.length > 0 ? { zones, left } : { zones, left, why: `${root} holds no energy counter` };
}

async function readMicrojoules(path: string): Promise<number> {
  const value = Number((await readFile(join(path, 'energy_uj'), 'utf8')).trim());
  if (!Number.isFinite(value)) throw new Error(`${path}/energy_uj is no number`);
  return value;
}

/** Sums the zones from `start` on. Counters wrap, so they are read often enough to see each wrap: poll at least once a wrap. */
export class PowercapMeter {
  readonly #zones: readonly PowerZone[];
  readonly #every: number;
  #last: number[] = [];
  #joules = 0;
  #timer: NodeJS.Timeout | undefined;
  #polling: Promise<void> = Promise.resolve();

  /** `every`: milliseconds between polls; a second is far below the minutes that a wrap takes even at 500 W. */
  constructor(zones: readonly PowerZone[], every = 1000) {
    this.#zones = zones;
    this.#every = every;
  }

  async start(): Promise<void> {
    this.#joules = 0;
    this.#last = await Promise.all(this.#zones.map(({ path }) => readMicrojoules(path)));
    this.#timer = setInterval(() => {
      // An unreadable counter shows again in `stop`, which throws.
      void this.poll().catch(() => {});
    }, this.#every);
    this.#timer.unref();
  }

  /** Adds what the counters moved since the last poll. */
  poll(): Promise<void> {
    const next = this.#polling
      .catch(() => {})
      .then(async () => {
        const now = await Promise.all(this.#zones.map(({ path }) => readMicrojoules(path)));
        for (const [i, zone] of this.#zones.entries()) {
          const moved = now[i]! - this.#last[i]!;
          this.#joules += (moved >= 0 ? moved : moved + zone.maxMicrojoules) / 1e6;
        }
        this.#last = now;
      });
    this.#polling = next;
    return next;
  }

  /** Joules from `start` to the last poll. */
  get joules(): number {
    return this.#joules;
  }

  /** Joules since `start`. */
  async stop(): Promise<number> {
    clearInterval(this.#timer);
    await this.poll();
    return this.#joules;
  }
}
