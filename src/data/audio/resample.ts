import { fail } from '../../base/index.ts';

/** Zero crossings of the sinc on each side: 64 or more taps, alias below -70 dB away from the band edge. */
const CROSSINGS = 32;
/** The pass band ends a little below half the lower rate, so that the window's slope stays under it. */
const ROLL_OFF = 0.95;
/** Rates with more phases than this have no sensible common divisor. */
const MOST_PHASES = 48000;

/**
 * Changes the sampling rate by a windowed sinc (Blackman window over 2 x 32 zero crossings, cut off at 0.95 of half the
 * lower rate). Output t lies at t * from / to of the input; beyond the ends the sound is 0.
 */
export function resample(samples: Float64Array, from: number, to: number): Float64Array {
  if (from === to) return samples;
  const divisor = greatestCommonDivisor(from, to);
  const up = to / divisor;
  const down = from / divisor;
  if (!Number.isInteger(up) || up > MOST_PHASES) {
    throw fail('USAGE_BAD_OPTION', `cannot resample from ${from} to ${to} samples per second`);
  }
  const cutoff = Math.min(1, to / from) * ROLL_OFF;
  const reach = CROSSINGS / cutoff;
  const kernels = new Map<number, Float64Array>();
  const side = Math.ceil(reach);
  const length = Math.max(1, Math.round((samples.length * to) / from));
  const result = new Float64Array(length);
  for (let t = 0; t < length; t++) {
    const position = t * down;
    const whole = Math.floor(position / up);
    const phase = position % up;
    let kernel = kernels.get(phase);
    if (kernel === undefined) {
      kernel = kernelAt(phase / up, cutoff, reach, side);
      kernels.set(phase, kernel);
    }
    const start = whole - side;
    const last = Math.min(kernel.length, samples.length - start);
    let sum = 0;
    for (let k = Math.max(0, -start); k < last; k++) sum += kernel[k]! * samples[start + k]!;
    result[t] = sum;
  }
  return result;
}

/** Weights of the inputs `side` before to `side + 1` behind a position; they sum to 1, so that a constant stays. */
function kernelAt(fraction: number, cutoff: number, reach: number, side: number): Float64Array {
  const kernel = Float64Array.from({ length: 2 * side + 2 }, (_, k) => {
    const x = k - side - fraction;
    if (Math.abs(x) >= reach) return 0;
    const window = 0.42 + 0.5 * Math.cos((Math.PI * x) / reach) + 0.08 * Math.cos((2 * Math.PI * x) / reach);
    const angle = Math.PI * cutoff * x;
    return window * (angle === 0 ? 1 : Math.sin(angle) / angle);
  });
  const sum = kernel.reduce((a, b) => a + b, 0);
  return kernel.map((weight) => weight / sum);
}

function greatestCommonDivisor(a: number, b: number): number {
  while (b > 1e-9) [a, b] = [b, a % b];
  return a;
}

/** Cuts or pads with zeros to a length. */
export function fitLength(
  samples: Float64Array,
  length: number,
  align: 'start' | 'center' | 'end',
): Float64Array {
  if (samples.length === length) return samples;
  const spare = length - samples.length;
  const shift = align === 'start' ? 0 : align === 'end' ? spare : Math.floor(spare / 2);
  const result = new Float64Array(length);
  if (shift >= 0) result.set(samples.subarray(0, length - shift), shift);
  else result.set(samples.subarray(-shift, -shift + length));
  return result;
}
