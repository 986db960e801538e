import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Dataset, inMemory, openDataset, openNpz, subset, writeNpz } from '../src/data/index.ts';
import { Tensor } from '../src/graph/index.ts';
import { sharedData } from '../test/shared-data.ts';
import type { Parts } from './parts.ts';
import { scratch } from './shared-models.ts';

/** Every so many training images, one is kept for choosing settings: 5,000 of 60,000. */
const ONE_IN = 12;

/**
 * MNIST, pixels from 0 to 255 as float32 [1, 28, 28]: 55,000 training images, 5,000 of the official training part to choose by,
 * the 10,000 official test images. Undefined without the shared data. Decoding takes half a minute: kept in out/bench/.
 */
export async function mnist(): Promise<Parts | undefined> {
  const archive = sharedData('mnist/mnist-pngs.tar.gz');
  if (archive === undefined) return undefined;
  const [all, test] = [await decoded(archive, 'train'), await decoded(archive, 'test')];
  const at = (wanted: (i: number) => boolean) => Array.from({ length: all.size }, (_, i) => i).filter(wanted);
  return {
    train: subset(
      all,
      at((i) => i % ONE_IN !== 0),
    ),
    validation: subset(
      all,
      at((i) => i % ONE_IN === 0),
    ),
    test,
  };
}

async function decoded(archive: string, part: 'train' | 'test'): Promise<Dataset> {
  const folder = resolve('out/bench');
  const path = join(folder, `mnist-${part}.npz`);
  if (!existsSync(path)) {
    const unpacked = scratch();
    execFileSync('tar', ['xzf', archive, '-C', unpacked]);
    const images = await openDataset(join(unpacked, part), {
      kind: 'images',
      preprocess: { image: { channels: 1, width: 28, height: 28 } },
    });
    for await (const { feeds, labels } of images.read({ batch: images.size })) {
      const { dims } = feeds.input!;
      mkdirSync(folder, { recursive: true });
      const pixels = Tensor.of('uint8', dims, Uint8Array.from(feeds.input!.as('float32')));
      await writeNpz(path, { input: pixels, labels: labels! });
    }
  }
  const stored = await openNpz(path);
  for await (const { feeds, labels } of stored.read({ batch: stored.size })) {
    const pixels = Float32Array.from(feeds.input!.as('uint8'));
    return inMemory({ input: Tensor.float32(feeds.input!.dims, pixels) }, labels, {
      name: `MNIST ${part}`,
    });
  }
  throw new Error(`${path} is empty`);
}
