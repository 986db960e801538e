import { type Formants, PHONEMES, type Phoneme, type PhonemeName } from './phonemes.ts';
import { Random } from './random.ts';
import type { Sound } from './sound.ts';

const RATE = 16000;
/** Settings of the vocal tract change this often: 5 ms. */
const FRAME = 80;
const VOWELS = /^[AEIOU]/;

/** One mouth: what makes a speaker sound like nobody else. */
export interface Speaker {
  /** Hz. */
  readonly pitch: number;
  /** Formants as a multiple of an average man's: a shorter throat has higher ones. */
  readonly throat: number;
  /** Width of the formants as a multiple of the usual. */
  readonly damping: number;
  /** Share of breath in the voice. */
  readonly breath: number;
  /** Fall of the voice's spectrum: 0 bright, near 1 dull. */
  readonly tilt: number;
  /** Open share of each period of the voice. */
  readonly open: number;
  /** Unsteadiness of the period and of its strength. */
  readonly jitter: number;
  readonly whispers: boolean;
  /** Strength of hisses and bursts. */
  readonly hiss: number;
  /** Multiples of the formants of each sound: the person's own way with vowels, and the accent's. */
  readonly vowels: ReadonlyMap<string, Formants>;
}

/** Speaker `number` with accent `accent`; both are made of nothing but their numbers. */
export function speakerOf(number: number, accent: number): Speaker {
  const random = new Random(7919 * (number + 1));
  for (let i = 0; i < 20; i++) random.uniform();
  // Men, women and children, overlapping.
  const size = random.uniform();
  const throat =
    size < 0.45
      ? 0.88 + 0.2 * random.uniform()
      : size < 0.88
        ? 1.08 + 0.16 * random.uniform()
        : 1.22 + 0.2 * random.uniform();
  const pitch = (size < 0.45 ? 108 : size < 0.88 ? 200 : 270) * 2 ** (0.28 * random.normal());
  const dialect = new Random(104729 * (accent + 1));
  for (let i = 0; i < 20; i++) dialect.uniform();
  const vowels = new Map<string, Formants>();
  for (const name of Object.keys(PHONEMES)) {
    const [own, shared] = VOWELS.test(name) ? [0.04, 0.075] : [0.03, 0.02];
    const factor = () => Math.exp(own * random.normal() + shared * dialect.normal());
    vowels.set(name, [factor(), factor(), Math.exp(0.03 * random.normal())]);
  }
  return {
    pitch: Math.min(400, Math.max(65, pitch)),
    throat,
    damping: 0.75 + 0.8 * random.uniform(),
    breath: 0.01 + 0.12 * random.uniform() ** 2,
    tilt: 0.25 + 0.65 * random.uniform(),
    open: 0.4 + 0.4 * random.uniform(),
    jitter: 0.004 + 0.025 * random.uniform() ** 2,
    whispers: random.uniform() < 0.03,
    hiss: 0.5 + 0.9 * random.uniform(),
    vowels,
  };
}

/** How something is said. */
export interface Manner {
  /** 1 is middling, 2 twice as fast. */
  readonly pace: number;
  /** Octaves by which the pitch falls (negative) or rises from beginning to end. */
  readonly melody: number;
}

/** The settings of the mouth over time, one number a frame each. */
interface Tracks {
  readonly formants: readonly [Float32Array, Float32Array, Float32Array];
  readonly voice: Float32Array;
  readonly breath: Float32Array;
  readonly hiss: Float32Array;
  readonly centre: Float32Array;
  readonly width: Float32Array;
  readonly nasal: Float32Array;
}

/**
 * Speaks: a formant synthesizer after Klatt (1980), voice and breath through five resonances after each other, hisses
 * through one of their own. The sounds are targets; the mouth glides from one to the next, which gives the transitions
 * by which consonants are told. Level about 0.1.
 */
export function pronounce(
  sounds: readonly PhonemeName[],
  speaker: Speaker,
  manner: Manner,
  random: Random,
): Sound {
  const tracks = plan(sounds, speaker, manner, random);
  return { samples: sing(tracks, speaker, manner, random), rate: RATE };
}

function plan(sounds: readonly PhonemeName[], speaker: Speaker, manner: Manner, random: Random): Tracks {
  const frames: { f: Formants; v: number; b: number; h: readonly [number, number, number]; n: number }[] = [];
  const none = [0, 4000, 3000] as const;
  const push = (
    ms: number,
    f: (t: number) => Formants,
    v: number,
    b: number,
    h: readonly [number, number, number],
    n = 0,
  ) => {
    const count = Math.max(1, Math.round(ms / 5));
    for (let i = 0; i < count; i++) frames.push({ f: f((i + 0.5) / count), v, b, h, n });
  };
  const pace = (ms: number) => (ms / manner.pace) * Math.exp(0.13 * random.normal());
  for (const [i, name] of sounds.entries()) {
    const sound: Phoneme = PHONEMES[name];
    const next = sounds[i + 1];
    const own = speaker.vowels.get(name)!;
    const scaled = (f: Formants): Formants => [f[0] * own[0], f[1] * own[1], f[2] * own[2]];
    const [from, to] = [scaled(sound.from), scaled(sound.to ?? sound.from)];
    const glide = (t: number): Formants => [
      from[0] + t * (to[0] - from[0]),
      from[1] + t * (to[1] - from[1]),
      from[2] + t * (to[2] - from[2]),
    ];
    // The last vowel of a word is drawn out.
    const last = !sounds.slice(i + 1).some((other) => VOWELS.test(other));
    const length = pace(sound.length * (last && VOWELS.test(name) ? 1.3 : 1));
    if (sound.burst === undefined) {
      // Breath of an h comes through the mouth of what follows.
      const mouth = name === 'HH' && next ? () => PHONEMES[next].from : glide;
      push(length, mouth, sound.voice, sound.breath ?? 0, sound.hiss ?? none, sound.nasal ? 1 : 0);
      continue;
    }
    // A word may begin without a closure that is heard, and end in one that is never opened.
    push(i === 0 ? 20 : length, glide, sound.voice, 0, none);
    if (next === undefined && random.uniform() < 0.35) continue;
    const { hiss, length: burst, breath } = sound.burst;
    const strength = Math.exp(0.25 * random.normal());
    push(Math.max(5, pace(burst)), glide, 0, 0, [hiss[0] * strength, hiss[1], hiss[2]]);
    // After s a stop is hardly aspirated; before a vowel its breath has the vowel's mouth.
    const aspirated = breath * (sounds[i - 1] === 'S' ? 0.3 : next === undefined ? 0.7 : 1);
    if (aspirated > 3) push(pace(aspirated), () => (next ? PHONEMES[next].from : from), 0, 0.4, none);
  }
  push(25, () => frames.at(-1)?.f ?? [500, 1500, 2500], 0, 0, none);
  const track = (of: (frame: (typeof frames)[number]) => number, half: number) =>
    smooth(Float32Array.from(frames, of), half);
  // The tongue takes some 60 ms, the vocal folds and the lips 15.
  return {
    formants: [track(({ f }) => f[0], 5), track(({ f }) => f[1], 7), track(({ f }) => f[2], 7)],
    voice: track(({ v }) => (speaker.whispers ? 0 : v), 2),
    breath: track(({ v, b }) => b + v * (speaker.whispers ? 0.5 : speaker.breath), 1),
    hiss: track(({ h }) => h[0], 1),
    centre: track(({ h }) => h[1], 1),
    width: track(({ h }) => h[2], 1),
    nasal: track(({ n }) => n, 3),
  };
}

/** Averages over a triangle of `half` frames to either side; beyond the ends the outermost value holds. */
function smooth(values: Float32Array, half: number): Float32Array {
  return values.map((_, i) => {
    let [sum, weights] = [0, 0];
    for (let j = -half; j <= half; j++) {
      const weight = half + 1 - Math.abs(j);
      sum += weight * values[Math.max(0, Math.min(values.length - 1, i + j))]!;
      weights += weight;
    }
    return sum / weights;
  });
}

/** A second-order resonance of unit gain at 0 Hz (Klatt 1980, equation 2). */
class Resonance {
  #a = 1;
  #b = 0;
  #c = 0;
  #one = 0;
  #two = 0;

  tune(frequency: number, width: number): void {
    const radius = Math.exp((-Math.PI * width) / RATE);
    this.#c = -radius * radius;
    this.#b = 2 * radius * Math.cos((2 * Math.PI * Math.min(frequency, 7600)) / RATE);
    this.#a = 1 - this.#b - this.#c;
  }

  run(x: number): number {
    const y = this.#a * x + this.#b * this.#one + this.#c * this.#two;
    this.#two = this.#one;
    this.#one = y;
    return y;
  }
}

function sing(tracks: Tracks, speaker: Speaker, manner: Manner, random: Random): Float32Array {
  const frames = tracks.voice.length;
  const out = new Float32Array(frames * FRAME);
  const throat = Array.from({ length: 5 }, () => new Resonance());
  const [nose, teeth] = [new Resonance(), new Resonance()];
  const { damping, open, jitter } = speaker;
  // Position within the period of the voice, and its length, in samples.
  let [phase, period, strength] = [0, RATE / speaker.pitch, 1];
  let [dull, flow, hissBefore] = [0, 0, 0];
  for (let frame = 0; frame < frames; frame++) {
    const [f1 = 0, f2 = 0, f3 = 0] = tracks.formants.map((track) => track[frame]! * speaker.throat);
    const nasal = tracks.nasal[frame]!;
    const breathy = tracks.breath[frame]! > 0.2 ? 1.6 : 1;
    throat[0]!.tune(f1, (60 + 100 * nasal) * damping * breathy);
    throat[1]!.tune(f2, (90 + 120 * nasal) * damping * breathy);
    throat[2]!.tune(f3, (140 + 150 * nasal) * damping);
    throat[3]!.tune(3500 * speaker.throat, 250 * damping);
    throat[4]!.tune(4500 * speaker.throat, 350 * damping);
    nose.tune(260, 110);
    teeth.tune(tracks.centre[frame]! * speaker.throat ** 0.5, tracks.width[frame]!);
    const time = frame / frames;
    const pitch = speaker.pitch * 2 ** (0.12 + manner.melody * time * time - 0.1 * time);
    const [voice, breath] = [tracks.voice[frame]!, tracks.breath[frame]!];
    const hiss = tracks.hiss[frame]! * speaker.hiss;
    for (let i = 0; i < FRAME; i++) {
      if (++phase >= period) {
        phase -= period;
        period = (RATE / pitch) * (1 + jitter * random.normal());
        strength = 1 + 3 * jitter * random.normal();
      }
      // Slope of the glottal flow t^2 - t^3 over the open part (Klatt and Klatt 1990).
      const t = phase / (period * open);
      const pulse = t < 1 ? strength * (2 * t - 3 * t * t) : 0;
      dull += (1 - speaker.tilt) * (pulse - dull);
      // The breath rides on the open folds.
      const white = random.uniform() + random.uniform() - 1;
      const air = breath * white * (voice > 0.1 && t >= 1 ? 0.4 : 1);
      flow = voice * dull + air;
      let y = flow;
      for (const resonance of throat) y = resonance.run(y);
      y = (1 - 0.65 * nasal) * y + 1.2 * nasal * nose.run(flow);
      const hissing = teeth.run(hiss * white);
      // The resonance passes low tones too; their difference does not.
      out[frame * FRAME + i] = 0.25 * y + 0.6 * (hissing - hissBefore);
      hissBefore = hissing;
    }
  }
  return out;
}
