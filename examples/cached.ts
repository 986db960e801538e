import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Batch, type Dataset, openNpz, writeNpz } from '../src/data/index.ts';
import type { Tensor } from '../src/graph/index.ts';

/** Fewer samples are made faster than a file is worth. */
const WORTH_KEEPING = 1000;
/** Made again and compared before a file is believed: the generator may have changed since. */
const CHECKED = 24;

/**
 * Generated data that take long to make, kept in out/examples/ below the working directory (git ignores it). Sample i must
 * not depend on how many are made. The file may be deleted at any time.
 */
export async function cached(
  name: string,
  samples: number,
  make: (samples: number) => Dataset,
  folder = resolve('out/examples'),
): Promise<Dataset> {
  if (samples < WORTH_KEEPING) return make(samples);
  const path = join(folder, `${name}.npz`);
  const first = make(Math.min(samples, CHECKED));
  const kept = existsSync(path) ? await openNpz(path).catch(() => undefined) : undefined;
  if (kept?.size === samples && (await sameStart(first, kept))) return named(kept, first);
  mkdirSync(folder, { recursive: true });
  const whole = await everything(make(samples));
  await writeNpz(path, { ...whole.feeds, labels: whole.labels! });
  return named(await openNpz(path), first);
}

function named(dataset: Dataset, like: Dataset): Dataset {
  const { name, labels } = like;
  return { ...dataset, name, labels: dataset.labels && { ...dataset.labels, classes: labels?.classes } };
}

async function sameStart(first: Dataset, kept: Dataset): Promise<boolean> {
  const indices = Array.from({ length: first.size }, (_, i) => i);
  const [a, b] = [await everything(first), await everything(kept, indices)];
  const same = (x: Tensor | undefined, y: Tensor | undefined) =>
    x !== undefined && y !== undefined && Buffer.compare(x.bytes(), y.bytes()) === 0;
  return same(a.labels, b.labels) && Object.keys(a.feeds).every((key) => same(a.feeds[key], b.feeds[key]));
}

async function everything(dataset: Dataset, indices?: readonly number[]): Promise<Batch> {
  for await (const batch of dataset.read({ batch: indices?.length ?? dataset.size, indices })) return batch;
  throw new Error(`${dataset.name} is empty`);
}
