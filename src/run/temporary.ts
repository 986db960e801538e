import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fail, messageOf } from '../base/index.ts';

const open = new Set<string>();
let watching = false;

/** A folder for files that no one is to see; gone after `remove`, at the latest when the process exits. */
export interface TemporaryFolder {
  readonly path: string;
  remove(): Promise<void>;
}

/** Throws FILE_NOT_WRITTEN. */
export async function temporaryFolder(): Promise<TemporaryFolder> {
  if (!watching) {
    watching = true;
    process.on('exit', () => {
      for (const path of open) rmSync(path, { recursive: true, force: true });
    });
  }
  const path = await mkdtemp(join(tmpdir(), 'modicum-')).catch((cause) => {
    throw fail('FILE_NOT_WRITTEN', `no temporary folder in ${tmpdir()}: ${messageOf(cause)}`, {}, cause);
  });
  open.add(path);
  return {
    path,
    async remove() {
      await rm(path, { recursive: true, force: true, maxRetries: 3 });
      open.delete(path);
    },
  };
}
