import { readdirSync } from 'node:fs';

/** `npm run bench -- NAME [arguments]`: runs one benchmark of this folder; without a name, lists them. */
const folder = new URL('.', import.meta.url);
const SUPPORT = new Set(['run.js', 'shared-models.js']);
const names = readdirSync(folder)
  .filter((file) => file.endsWith('.js') && !SUPPORT.has(file))
  .map((file) => file.replace(/\.js$/, ''));
const [name] = process.argv.splice(2, 1);
if (name === undefined || !names.includes(name)) {
  console.error(`benchmarks: ${names.join(', ')}`);
  process.exitCode = 2;
} else await import(new URL(`${name}.js`, folder).href);
