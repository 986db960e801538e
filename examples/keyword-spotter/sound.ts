import type { Random } from './random.ts';

/** Mono, samples between -1 and 1. */
export interface Sound {
  readonly samples: Float32Array;
  /** Hz. */
  readonly rate: number;
}

/** The samples between the first and the last that reach `share` of the peak. */
export function trim(samples: Float32Array, share = 0.02): Float32Array {
  const floor = share * peak(samples);
  let start = 0;
  let end = samples.length;
  while (start < end && Math.abs(samples[start]!) < floor) start++;
  while (end > start && Math.abs(samples[end - 1]!) < floor) end--;
  return samples.slice(start, end);
}

export function peak(samples: Float32Array): number {
  let most = 0;
  for (const sample of samples) most = Math.max(most, Math.abs(sample));
  return most;
}

/** Root of the mean square. */
export function level(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return Math.sqrt(sum / Math.max(1, samples.length));
}

/** Adds `gain * source` to `target` from `at` on (may be negative); what does not fit is cut off. */
export function mix(target: Float32Array, source: Float32Array, at = 0, gain = 1): void {
  const from = Math.max(0, -at);
  const to = Math.min(source.length, target.length - at);
  for (let i = from; i < to; i++) target[at + i]! += gain * source[i]!;
}

const PHASES = 256;
const HALF = 8;
/** Hann-windowed sinc, cut-off 0.92 of the lower Nyquist rate: [PHASES + 1, 2 * HALF]. */
const KERNEL = new Float32Array((PHASES + 1) * 2 * HALF);
for (let phase = 0; phase <= PHASES; phase++)
  for (let tap = 0; tap < 2 * HALF; tap++) {
    const x = tap - HALF + 1 - phase / PHASES;
    const sinc = x === 0 ? 0.92 : Math.sin(0.92 * Math.PI * x) / (Math.PI * x);
    KERNEL[phase * 2 * HALF + tap] = sinc * (0.5 + 0.5 * Math.cos((Math.PI * x) / (HALF + 1)));
  }

/** Reads every `step`-th sample (1.378 turns 22,050 Hz into 16,000 Hz; steps over 1 lose what would alias). */
export function resample(samples: Float32Array, step: number): Float32Array {
  const out = new Float32Array(Math.floor((samples.length - 1) / step));
  const stretch = Math.max(1, step);
  const reach = Math.ceil(HALF * stretch);
  for (let i = 0; i < out.length; i++) {
    const centre = i * step;
    const first = Math.max(0, Math.ceil(centre - reach + 1));
    const last = Math.min(samples.length - 1, Math.floor(centre + reach - 1));
    let sum = 0;
    for (let j = first; j <= last; j++) {
      const x = (j - centre) / stretch;
      const whole = Math.floor(x);
      // x = whole + fraction; the phases count down from the next whole tap.
      const phase = ((1 - x + whole) * PHASES + 0.5) | 0;
      sum += samples[j]! * KERNEL[phase * 2 * HALF + whole + HALF]!;
    }
    out[i] = sum / stretch;
  }
  return out;
}

/** One-pole filters after each other: high-pass at `low` Hz, low-pass at `high` Hz; in place. A cheap microphone. */
export function band(samples: Float32Array, low: number, high: number, rate: number): void {
  const highPass = Math.exp((-2 * Math.PI * low) / rate);
  const lowPass = Math.exp((-2 * Math.PI * Math.min(high, rate / 2)) / rate);
  let slow = 0;
  let smooth = 0;
  for (let i = 0; i < samples.length; i++) {
    slow = highPass * slow + (1 - highPass) * samples[i]!;
    smooth = lowPass * smooth + (1 - lowPass) * (samples[i]! - slow);
    samples[i] = smooth;
  }
}

/**
 * The sound in a room: the direct path and `taps` echoes at random delays, which fall by 60 dB in `seconds`;
 * `share` is the echoes' energy as a share of the direct sound's.
 */
export function room(
  samples: Float32Array,
  seconds: number,
  share: number,
  rate: number,
  random: Random,
): Float32Array {
  const taps = 48;
  const delays = Array.from({ length: taps }, () =>
    Math.floor((0.002 + 0.8 * seconds * random.uniform()) * rate),
  );
  const gains = delays.map((delay) => random.normal() * 10 ** ((-3 * delay) / (seconds * rate)));
  const energy = gains.reduce((sum, gain) => sum + gain * gain, 0);
  const scale = Math.sqrt(share / energy);
  const out = new Float32Array(samples.length + Math.ceil(0.25 * rate));
  mix(out, samples);
  for (let tap = 0; tap < taps; tap++) mix(out, samples, delays[tap]!, scale * gains[tap]!);
  return out;
}
