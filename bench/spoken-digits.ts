import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { buffered, type Dataset, openDataset } from '../src/data/index.ts';
import { sharedData } from '../test/shared-data.ts';
import type { Parts } from './parts.ts';
import { scratch } from './shared-models.ts';

/** Of the fifty recordings of each speaker and digit the first five are the official test part; the next five are for choosing by. */
const TEST = 5;
const VALIDATION = 10;

/**
 * Spoken digits of six speakers as MFCC [1, 49, 20] of the first second at 8 kHz (frames of 32 ms, one every 20 ms): 2,400
 * recordings to train, 300 to choose by, 300 official test recordings. Undefined without the shared data.
 */
export async function spokenDigits(): Promise<Parts | undefined> {
  const archive = sharedData('spoken-digits/fsdd.tar.gz');
  if (archive === undefined) return undefined;
  const folder = scratch();
  execFileSync('tar', ['xzf', archive, '-C', folder]);
  const recordings = join(folder, 'recordings');
  for (const part of ['train', 'validation', 'test']) mkdirSync(join(folder, part));
  for (const file of readdirSync(recordings)) {
    const number = Number(/_(\d+)\.wav$/.exec(file)?.[1]);
    const part = number < TEST ? 'test' : number < VALIDATION ? 'validation' : 'train';
    renameSync(join(recordings, file), join(folder, part, file));
  }
  const open = async (part: string): Promise<Dataset> => {
    const audio = {
      rate: 8000,
      length: 8000,
      frontEnd: 'mfcc',
      window: 256,
      hop: 160,
      coefficients: 20,
      high: 3800,
    } as const;
    return buffered(
      await openDataset(join(folder, part), {
        kind: 'audio',
        labels: { pattern: '^(\\d)_' },
        preprocess: { audio, dims: [1, 49, 20] },
      }),
    );
  };
  return { train: await open('train'), validation: await open('validation'), test: await open('test') };
}
