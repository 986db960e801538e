/** `npm run bench -- NAME [arguments]`: runs one benchmark of this folder; without a name, lists them. */
const BENCHMARKS = [
  'models',
  'quantize',
  'against-python',
  'distill',
  'prune',
  'recipes',
  'qat',
  'train-speed',
  'headline',
  'tokens',
  'weight-methods',
  'search-quality',
  'search-record',
  'exits',
  'exits-bound',
  'exits-running',
  'mix',
  'webgpu',
  'serve-robust',
  'rest',
  'serve-overhead',
  'load-generator',
  'edge-c',
];
const [name = ''] = process.argv.splice(2, 1);
if (BENCHMARKS.includes(name)) await import(new URL(`${name}.js`, import.meta.url).href);
else {
  console.error(`benchmarks: ${BENCHMARKS.join(', ')}`);
  process.exitCode = 2;
}
