import { arch, cpus, platform } from 'node:os';
import { availableCores } from '../run/index.ts';

/** The id of this machine, as records carry it. */
export async function thisMachine(): Promise<string> {
  return `${cpus()[0]?.model.trim() ?? 'unknown'} x${availableCores()} ${platform()}-${arch()}`;
}
