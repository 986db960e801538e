import { spawn } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Random, SILENT } from '../src/base/index.ts';
import { loadModel, saveModel } from '../src/files/index.ts';
import { type Model, makeGraph, makeModel, makeNode, Tensor, tensorType } from '../src/graph/index.ts';
import { recipePass } from '../src/transform/index.ts';
import { scratch } from './shared-models.ts';

/**
 * How long the weight quantization of a large model takes, and how much memory: a generated stack of layers with
 * external weights, 1 GB unless told. `npm run bench -- quantize [GB]`
 */
const WIDTH = 2048;

/** A stack of `layers` MatMul+Relu of WIDTH x WIDTH, with seeded weights that are made when they are asked for. */
function stack(layers: number): Model {
  const initializers = new Map<string, Tensor>();
  const nodes = [];
  for (let i = 0; i < layers; i++) {
    initializers.set(
      `w${i}`,
      Tensor.ofSource('float32', [WIDTH, WIDTH], { byteLength: 4 * WIDTH * WIDTH, read: () => weights(i) }),
    );
    nodes.push(
      makeNode('MatMul', [i === 0 ? 'x' : `y${i - 1}`, `w${i}`], [`h${i}`], {}, { name: `matmul${i}` }),
    );
    nodes.push(makeNode('Relu', [`h${i}`], [`y${i}`], {}, { name: `relu${i}` }));
  }
  const port = (name: string) => ({ name, type: tensorType('float32', ['batch', WIDTH]) });
  return makeModel(
    makeGraph({ inputs: [port('x')], outputs: [port(`y${layers - 1}`)], nodes, initializers }),
    21,
  );
}

function weights(seed: number): Uint8Array {
  const random = new Random(seed + 1);
  const values = new Float32Array(WIDTH * WIDTH);
  const table = Float32Array.from({ length: 65536 }, () => random.normal() * 0.02);
  for (let i = 0; i < values.length; i++) values[i] = table[random.below(65536)]!;
  return new Uint8Array(values.buffer);
}

/** The peak of this process's resident memory so far, in bytes. */
function peak(): number {
  const found = /VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'));
  return found === null ? process.resourceUsage().maxRSS * 1024 : Number(found[1]) * 1024;
}

async function quantize(
  path: string,
  out: string,
  name: 'quantize-weights' | 'quantize-dynamic',
  bits: number,
): Promise<void> {
  const idle = peak();
  const started = performance.now();
  const pass = recipePass(name);
  const model = await loadModel(path);
  const options = { ...pass.defaults, ...(name === 'quantize-weights' ? { bits } : {}), check: false };
  const result = await pass.apply(model, options, { progress: SILENT, seed: 0 });
  await saveModel(result.model, out, { external: 'always' });
  const seconds = (performance.now() - started) / 1000;
  process.stdout.write(
    JSON.stringify({
      seconds,
      idle,
      peak: peak(),
      changed: result.notes.filter(({ action }) => action === 'changed').length,
    }),
  );
}

async function main(): Promise<void> {
  const gigabytes = Number(process.argv[2] ?? 1);
  const layers = Math.max(1, Math.round((gigabytes * 1e9) / (4 * WIDTH * WIDTH)));
  const folder = scratch();
  const path = join(folder, 'large.onnx');
  await saveModel(stack(layers), path, { external: 'always' });
  const bytes = statSync(`${path}.data`).size;
  console.log(`${layers} layers, ${(bytes / 1e9).toFixed(2)} GB of weights`);
  console.log(
    '| quantization | seconds | s per GB | peak memory | peak / model | file |\n|---|---|---|---|---|---|',
  );
  for (const [name, bits, title] of [
    ['quantize-weights', 4, 'int4 weights, blocks of 32'],
    ['quantize-weights', 8, 'int8 weights, blocks of 32'],
    ['quantize-dynamic', 8, 'int8 dynamic'],
  ] as const) {
    const out = join(folder, `${name}-${bits}.onnx`);
    const result = await inChild([path, out, name, String(bits)]);
    const size = statSync(`${out}.data`).size;
    console.log(
      `| ${title} | ${result.seconds.toFixed(1)} | ${((result.seconds / bytes) * 1e9).toFixed(1)} | ${(result.peak / 1e9).toFixed(2)} GB | ${(result.peak / bytes).toFixed(2)} | ${(size / 1e6).toFixed(0)} MB |`,
    );
  }
}

function inChild(args: readonly string[]): Promise<{ seconds: number; peak: number }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [new URL(import.meta.url).pathname, '--child', ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
    });
    child.on('exit', (code) =>
      code === 0 ? resolve(JSON.parse(text)) : reject(new Error(`child ended with ${code}`)),
    );
  });
}

if (process.argv[2] === '--child') {
  const [path = '', out = '', name, bits] = process.argv.slice(3);
  await quantize(path, out, name as 'quantize-weights', Number(bits));
} else await main();
