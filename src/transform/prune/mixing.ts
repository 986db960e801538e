import { type Model, sizeOf } from '../../graph/index.ts';
import type { Capture } from './capture.ts';
import { type Layer, priorOf, unknownsOf } from './layer.ts';
import { rowSums } from './row-sums.ts';

/** Weights in place of those of a wide convolution, [outputs, unknowns], and the share of its inputs that they lack. */
export interface Mixed {
  readonly solved: Float64Array;
  readonly before: number;
  readonly after: number;
}

/**
 * For convolutions whose windows have too many unknowns: each channel of the original input is fitted, place by place, as a mixture of
 * the channels that are left (and a constant), and the mixtures go into the weight. `channels` and `outputs` are those that are left.
 * The constant counts in the padding too, where it should not.
 */
export async function mixChannels(
  original: Model,
  small: Model,
  layer: Layer,
  { channels, outputs }: { readonly channels: readonly number[]; readonly outputs: readonly number[] },
  capture: Capture,
  settings: { readonly rowsPerUnknown: number; readonly seed: number; readonly ridge: number },
): Promise<Mixed> {
  const [all, left] = [layer.original.dims[1]!, channels.length];
  const unknowns = left + 1;
  const [fit, check] = await rowSums(
    { small, input: layer.input, original, wanted: layer.input },
    (x, y) => {
      const [from, to, area] = [x.as('float32'), y.as('float32'), sizeOf(x.dims.slice(2))];
      const place = (row: number) => [Math.floor(row / area), row % area] as const;
      return {
        count: x.dims[0]! * area,
        x(row) {
          const [sample, at] = place(row);
          return (i) => from[(sample * left + i) * area + at]!;
        },
        y(row) {
          const [sample, at] = place(row);
          return (channel) => to[(sample * all + channel) * area + at]!;
        },
      };
    },
    { unknowns, constant: true, columns: Array.from({ length: all }, (_, i) => i) },
    capture,
    settings,
  );
  const prior = new Float64Array(all * unknowns);
  for (const [i, channel] of channels.entries()) prior[channel * unknowns + i] = 1;
  const mixture = fit.rows > 0 ? fit.solve(prior, settings.ridge) : prior;
  const judge = check.rows > 0 ? check : fit;
  return {
    solved: throughMixture(layer, outputs, mixture, left),
    before: judge.error(prior),
    after: judge.error(mixture),
  };
}

/** The original weight behind a mixture [channels, left + 1]. */
function throughMixture(
  layer: Layer,
  outputs: readonly number[],
  mixture: Float64Array,
  left: number,
): Float64Array {
  const [weights, { dims }] = [layer.original.as('float32'), layer.original];
  const [all, cells] = [dims[1]!, sizeOf(dims.slice(2))];
  const unknowns = unknownsOf(layer);
  // The bias as it was sliced; the weights are written over.
  const solved = priorOf(layer);
  for (const [row, output] of outputs.entries()) {
    const made = solved.subarray(row * unknowns, (row + 1) * unknowns);
    made.fill(0, 0, left * cells);
    for (let channel = 0; channel < all; channel++) {
      const mix = mixture.subarray(channel * (left + 1), (channel + 1) * (left + 1));
      for (let cell = 0; cell < cells; cell++) {
        const weight = weights[(output * all + channel) * cells + cell]!;
        for (let i = 0; i < left; i++) made[i * cells + cell]! += weight * mix[i]!;
        made[left * cells]! += weight * mix[left]!;
      }
    }
  }
  return solved;
}
