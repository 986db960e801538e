import { mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Field, type StreamedArray, writeNpz } from '../src/data/index.ts';
import { Tensor } from '../src/graph/index.ts';
import { TASKS } from './tasks.ts';

const HELP = `Writes the data of an example to a file that modicum and numpy read.

  node build/examples/write.js NAME PART FILE.npz [--seed 1] [--samples N] [--compress]

NAME is ${TASKS.map(({ name }) => name).join(', ')}; PART is train, validation, test or (recommender) rankings. Seed and samples are those of train.
`;

/** The arrays of one part of an example: its fields and `labels`. */
async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seed: { type: 'string', default: '1' },
      samples: { type: 'string' },
      compress: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const [name, part, file] = positionals;
  const task = TASKS.find((one) => one.name === name);
  const [seed, samples] = [Number(values.seed), Number(values.samples ?? task?.samples)];
  const data = {
    train: task && Number.isSafeInteger(seed) && samples >= 1 ? () => task.train(seed, samples) : undefined,
    validation: task?.validation,
    test: task?.test,
    rankings: task?.rankings,
  }[part as 'train'];
  if (values.help || !data || !file || !Number.isSafeInteger(samples)) {
    (values.help ? process.stdout : process.stderr).write(HELP);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  const dataset = await data();
  mkdirSync(dirname(resolve(file)), { recursive: true });
  const array = (one: string, { dtype, dims }: Pick<Field, 'dtype' | 'dims'>): StreamedArray => ({
    dtype,
    dims: [dataset.size, ...dims],
    async *pieces() {
      const fields = one === 'labels' ? [] : [one];
      for await (const { feeds, labels } of dataset.read({ batch: 256, fields })) {
        yield (feeds[one] ?? labels!).bytes();
      }
    },
  });
  const arrays = Object.fromEntries(dataset.fields.map((field) => [field.name, array(field.name, field)]));
  if (dataset.labels) arrays.labels = array('labels', dataset.labels);
  await writeNpz(file, values.compress ? await whole(arrays) : arrays, { compress: values.compress });
}

/** Compressed arrays must be in memory. */
async function whole(arrays: Readonly<Record<string, StreamedArray>>): Promise<Record<string, Tensor>> {
  const tensors: Record<string, Tensor> = {};
  for (const [name, { dtype, dims, pieces }] of Object.entries(arrays)) {
    const bytes: Uint8Array[] = [];
    for await (const piece of pieces()) bytes.push(piece);
    tensors[name] = Tensor.ofBytes(dtype, dims, Buffer.concat(bytes));
  }
  return tensors;
}

await main();
