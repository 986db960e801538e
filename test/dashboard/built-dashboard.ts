import { execFile } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '../shared-data.ts';

const SOURCES = join(ROOT, 'dashboard');
/** Where the server looks for it when it runs from build/. */
const PLACE = join(ROOT, 'build/src/dashboard');

/** Builds the dashboard for the server of the tests, unless it is there and newer than its sources. */
export async function builtDashboard(): Promise<string> {
  if (isFresh()) return PLACE;
  await mkdir(join(ROOT, 'build/src'), { recursive: true });
  // Test files run at the same time: each builds apart, and whoever is first puts it in place.
  const apart = await mkdtemp(join(ROOT, 'build/dashboard-'));
  const vite = join(ROOT, 'node_modules/vite/bin/vite.js');
  await promisify(execFile)(process.execPath, [vite, 'build', '--outDir', apart, '--emptyOutDir'], {
    cwd: SOURCES,
  });
  await rm(PLACE, { recursive: true, force: true });
  await rename(apart, PLACE).catch(async (error) => {
    await rm(apart, { recursive: true, force: true });
    if (!isFresh()) throw error;
  });
  return PLACE;
}

function isFresh(): boolean {
  const page = join(PLACE, 'index.html');
  if (!existsSync(page)) return false;
  const built = statSync(page).mtimeMs;
  return readdirSync(SOURCES, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .every((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs <= built);
}
