import { Random } from '../base/index.ts';

/** The stream that samples are drawn from: not that of the arrivals, so that neither depends on how the other is drawn. */
export function sampleStream(seed: number): Random {
  return new Random(seed ^ 0x5eed);
}

/** Numbers of samples below `of`, uniform, with replacement; `first` where a schedule says which the first one is. */
export function drawSamples(random: Random, of: number, size: number, first?: number): number[] {
  const samples = Array.from({ length: size }, () => random.below(of));
  if (first !== undefined) samples[0] = first % of;
  return samples;
}
