import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Runs the built tests: `node build/test/run.js [--all] [words...]`. Files named *.long.test.js only with --all;
 * words choose the files whose path in the project holds one of them. NODE_TEST_CONCURRENCY: files at once, 2 unless told.
 */
const words = process.argv.slice(2).filter((word) => !word.startsWith('--'));
const all = process.argv.includes('--all');
const build = new URL('..', import.meta.url).pathname;
const files = ['src', 'test']
  .flatMap((folder) =>
    readdirSync(join(build, folder), { recursive: true, encoding: 'utf8' }).map((name) =>
      join(build, folder, name),
    ),
  )
  .filter((file) => file.endsWith('.test.js') && (all || !file.endsWith('.long.test.js')))
  .filter((file) => words.length === 0 || words.some((word) => file.slice(build.length).includes(word)))
  .sort();
const concurrency = process.env.NODE_TEST_CONCURRENCY ?? '2';
const flags = ['--enable-source-maps', '--test', '--test-reporter=spec', `--test-concurrency=${concurrency}`];
const child = spawn(process.execPath, [...flags, ...files], { stdio: 'inherit' });
child.on('exit', (code) => process.exit(code ?? 1));
