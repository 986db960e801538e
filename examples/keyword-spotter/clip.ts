import { beeps, chords, clicks, coloured, hum } from './noise.ts';
import { Random } from './random.ts';
import { band, level, mix, peak, resample, room, trim } from './sound.ts';
import { RATE, type Tongue } from './tongue.ts';
import { CLASSES, type NoiseKind, SIDES, SILENCE, type Side, type SideName, UNKNOWN } from './words.ts';

export interface Clip {
  readonly samples: Float32Array;
  /** Index into CLASSES. */
  readonly label: number;
}

/**
 * Makes clips by number: the same side, seed and number give the same clip, whatever was made before it, so that any
 * sample of a data set can be made again alone.
 */
export class ClipMaker {
  readonly #side: Side;
  readonly #seed: number;
  readonly #tongue: Tongue;

  constructor(side: SideName, seed: number, tongue: Tongue) {
    this.#side = SIDES[side];
    this.#seed = seed;
    this.#tongue = tongue;
  }

  /** The class of clip `number`: every block has the classes of the side, in random order. */
  label(number: number): number {
    const labels = [...this.#side.labels];
    this.#random(Math.floor(number / labels.length), 7).shuffle(labels);
    return labels[number % labels.length]!;
  }

  /** One second of sound; its peak lies 1 to 30 dB below full scale, or at full scale where the side says so. */
  make(number: number): Clip {
    const label = this.label(number);
    const random = this.#random(number, 0);
    const samples = new Float32Array(RATE);
    if (label === SILENCE) this.#silence(samples, random);
    else this.#word(samples, label, random);
    band(samples, 30 + 170 * random.uniform() ** 2, 3000 + 5000 * random.uniform(), RATE);
    if (random.uniform() < 0.15) {
      // An overdriven microphone.
      const drive = (1 + 3 * random.uniform()) / Math.max(1e-9, peak(samples));
      for (let i = 0; i < RATE; i++) samples[i] = Math.tanh(drive * samples[i]!);
    }
    if (this.#side.fullScale) {
      const most = samples.reduce((a, b) => Math.max(a, b));
      for (let i = 0; i < RATE; i++) samples[i]! /= most;
    } else {
      const gain = 10 ** (between(random, [-30, -1]) / 20) / Math.max(1e-9, peak(samples));
      // As a WAV file of 16 bits would hold it.
      for (let i = 0; i < RATE; i++) samples[i] = Math.round(samples[i]! * gain * 32768) / 32768;
    }
    return { samples, label };
  }

  #word(samples: Float32Array, label: number, random: Random): void {
    const side = this.#side;
    const text = label === UNKNOWN ? random.pick(side.unknown) : CLASSES[label]!;
    const spoken = this.#tongue.word(text, side, random);
    // Speaking a little faster or slower moves the formants as well: other throats.
    const dry = trim(resample(trim(spoken.samples), (spoken.rate / RATE) * (0.92 + 0.16 * random.uniform())));
    let wet = dry;
    if (random.uniform() < 0.7) {
      const seconds = between(random, side.reverberation);
      wet = room(dry, seconds, 0.05 + 0.9 * random.uniform(), RATE, random);
    }
    // Anywhere in the second; a word detector cuts up to a twelfth of a word off at either end.
    const slack = RATE - dry.length;
    const cut = Math.floor(dry.length / 12);
    const earliest = Math.min(0, slack) - cut;
    const latest = Math.max(0, slack) + cut;
    mix(samples, wet, earliest + random.below(latest - earliest + 1));
    if (random.uniform() < 0.08) return;
    const noise = this.#noise(random.pick(side.noises), random);
    mix(samples, noise, 0, level(dry) * 10 ** (-between(random, side.snr) / 20));
  }

  #silence(samples: Float32Array, random: Random): void {
    // Talk in the background would be an unknown word.
    const kinds = this.#side.noises.filter((kind) => kind !== 'babble');
    for (let n = 1 + random.below(2); n > 0; n--)
      mix(samples, this.#noise(random.pick(kinds), random), 0, 0.1 + random.uniform());
    // Between beeps and taps a room is never quite still.
    mix(samples, this.#noise('coloured', random), 0, 10 ** (between(random, [-50, -10]) / 20));
  }

  #noise(kind: NoiseKind, random: Random): Float32Array {
    switch (kind) {
      case 'coloured':
        return coloured(RATE, random.pick(this.#side.slopes), RATE, random);
      case 'hum':
        return hum(RATE, RATE, random);
      case 'beeps':
        return beeps(RATE, RATE, random);
      case 'clicks':
        return clicks(RATE, RATE, random);
      case 'chords':
        return chords(RATE, RATE, random);
      case 'babble':
        return this.#babble(random);
    }
  }

  /** Two to six people talking in several languages, level 1. */
  #babble(random: Random): Float32Array {
    const out = new Float32Array(RATE);
    for (let people = 2 + random.below(5); people > 0; people--) {
      const talk = this.#tongue.talk(this.#side, random);
      const from = random.below(talk.length - RATE);
      mix(out, talk.subarray(from, from + RATE), 0, 0.4 + 0.6 * random.uniform());
    }
    const scale = 1 / Math.max(1e-9, level(out));
    for (let i = 0; i < RATE; i++) out[i]! *= scale;
    return out;
  }

  #random(number: number, stream: number): Random {
    // The finaliser of MurmurHash3 sets neighbouring numbers far apart.
    let hash = (number * 8 + stream) ^ Math.imul(this.#seed * 4 + this.#side.salt, 0x9e3779b1);
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return new Random(hash ^ (hash >>> 16));
  }
}

function between(random: Random, [low, high]: readonly [number, number]): number {
  return low + (high - low) * random.uniform();
}
