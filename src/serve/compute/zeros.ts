import { byteLengthOf, sizeOf, Tensor } from '../../graph/index.ts';
import type { Feeds, Port } from '../../run/index.ts';

/** Elements of an input beyond which zeros are no small thing any more. */
const MOST = 2 ** 26;

/** Zeros for every input, 1 for each size that is open: for a first run that costs more than all others. Undefined where a rank is unknown. */
export function zerosFor(inputs: readonly Port[]): Feeds | undefined {
  const feeds: Record<string, Tensor> = {};
  for (const { name, dtype, shape } of inputs) {
    if (shape === undefined) return undefined;
    const dims = shape.map((dim) => (typeof dim === 'number' ? dim : 1));
    const size = sizeOf(dims);
    if (size > MOST) return undefined;
    if (dtype === 'string') feeds[name] = Tensor.ofStrings(dims, Array<string>(size).fill(''));
    else {
      feeds[name] = Tensor.ofBytes(dtype, dims, new Uint8Array(byteLengthOf(dtype, size)));
    }
  }
  return feeds;
}
