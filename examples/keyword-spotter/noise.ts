import type { Random } from './random.ts';
import { level, mix } from './sound.ts';

/** Random noise whose spectrum falls by `slope` dB per octave (0 white, -3 pink, -6 brown, +1.5 bluish), level 1. */
export function coloured(length: number, slope: number, rate: number, random: Random): Float32Array {
  const out = new Float32Array(length);
  for (let i = 0; i < length; i++) out[i] = random.normal();
  // A cascade of shelves an octave and a half apart: first-order pole-zero pairs stand for any slope up to 6 dB.
  const spread = 1.5;
  for (let pole = 40; pole < rate / 2; pole *= 2 ** spread) {
    const zero = pole * 2 ** ((-slope / 6) * spread);
    const a = Math.exp((-2 * Math.PI * pole) / rate);
    const b = Math.exp((-2 * Math.PI * Math.min(zero, 0.49 * rate)) / rate);
    let before = 0;
    let state = 0;
    for (let i = 0; i < length; i++) {
      const x = out[i]!;
      state = x - b * before + a * state;
      before = x;
      out[i] = state;
    }
  }
  return normalised(out);
}

/** Mains hum: 50 or 60 Hz and its harmonics, level 1. */
export function hum(length: number, rate: number, random: Random): Float32Array {
  const base = (random.uniform() < 0.5 ? 50 : 60) * (1 + 0.004 * random.normal());
  const out = new Float32Array(length);
  for (let harmonic = 1; harmonic <= 24; harmonic++) {
    const gain = Math.abs(random.normal()) / harmonic ** 0.7;
    tone(out, 0, length, base * harmonic, gain, Number.POSITIVE_INFINITY, rate, random);
  }
  return normalised(out);
}

/** One to four steady beeps, level 1. */
export function beeps(length: number, rate: number, random: Random): Float32Array {
  const out = new Float32Array(length);
  for (let n = 1 + random.below(4); n > 0; n--) {
    const start = random.below(length);
    const long = Math.floor((0.05 + 0.4 * random.uniform()) * rate);
    tone(out, start, long, 200 + 2800 * random.uniform(), 1, Number.POSITIVE_INFINITY, rate, random);
  }
  return normalised(out);
}

/** Taps and keys: short bursts of noise that ring off, level 1. */
export function clicks(length: number, rate: number, random: Random): Float32Array {
  const out = new Float32Array(length);
  for (let n = 3 + random.below(12); n > 0; n--) {
    const fade = (0.004 + 0.02 * random.uniform()) * rate;
    const burst = new Float32Array(Math.ceil(6 * fade));
    for (let i = 0; i < burst.length; i++) burst[i] = random.normal() * Math.exp(-i / fade);
    mix(out, burst, random.below(length), 0.3 + random.uniform());
  }
  return normalised(out);
}

/** Plucked chords, four notes each, level 1: music, after a fashion. */
export function chords(length: number, rate: number, random: Random): Float32Array {
  const out = new Float32Array(length);
  const beat = Math.floor((0.18 + 0.25 * random.uniform()) * rate);
  for (let start = -random.below(beat); start < length; start += beat) {
    const root = 110 * 2 ** (random.below(18) / 12);
    for (const step of [0, random.uniform() < 0.5 ? 3 : 4, 7, 12])
      for (let harmonic = 1; harmonic <= 5; harmonic++)
        tone(
          out,
          start,
          2 * beat,
          root * 2 ** (step / 12) * harmonic,
          1 / harmonic,
          0.3 * rate,
          rate,
          random,
        );
  }
  return normalised(out);
}

/** Adds a sine of `gain` that fades by e every `fade` samples. */
function tone(
  out: Float32Array,
  start: number,
  length: number,
  frequency: number,
  gain: number,
  fade: number,
  rate: number,
  random: Random,
): void {
  const step = (2 * Math.PI * frequency) / rate;
  const phase = 2 * Math.PI * random.uniform();
  const decay = Math.exp(-1 / fade);
  // A pointer that turns by a step and shrinks: a sine for each sample would take most of the time of a clip.
  const [turn, quarter] = [decay * Math.cos(step), decay * Math.sin(step)];
  let [x, y] = [gain * Math.cos(phase), gain * Math.sin(phase)];
  for (let i = 0; i < length; i++) {
    const at = start + i;
    if (at >= out.length) return;
    if (at >= 0) out[at]! += y;
    [x, y] = [x * turn - y * quarter, x * quarter + y * turn];
  }
}

function normalised(samples: Float32Array): Float32Array {
  const scale = 1 / Math.max(1e-9, level(samples));
  for (let i = 0; i < samples.length; i++) samples[i]! *= scale;
  return samples;
}
