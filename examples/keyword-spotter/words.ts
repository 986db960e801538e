/** The ten words that the spotter knows, then silence and unknown: the class numbers of the labels, in MLPerf Tiny's choice of words. */
export const CLASSES = [
  'down',
  'go',
  'left',
  'no',
  'off',
  'on',
  'right',
  'stop',
  'up',
  'yes',
  'silence',
  'unknown',
] as const;
export const SILENCE = 10;
export const UNKNOWN = 11;

/** What only one side may hear, so that accuracy on the evaluation set speaks of new voices, words, noises and rooms. */
export interface Side {
  /** Where its random numbers begin. */
  readonly salt: number;
  /** The classes of each block of samples, which come in random order. */
  readonly labels: readonly number[];
  /** Words of the class unknown, near misses of the keywords among them; never a homophone (know, write). */
  readonly unknown: readonly string[];
  /** The speakers of `voice.ts`: the first number and how many. */
  readonly speakers: readonly [first: number, count: number];
  /** Their accents, by number. */
  readonly dialects: readonly number[];
  /** How many languages the people in the background talk. */
  readonly languages: number;
  /** Slope of the noise spectrum, dB per octave: white 0, pink -3, brown -6. */
  readonly slopes: readonly number[];
  readonly noises: readonly NoiseKind[];
  /** Speech above noise, dB: uniform between the two. */
  readonly snr: readonly [number, number];
  /** Reverberation time (RT60), seconds. */
  readonly reverberation: readonly [number, number];
  /** The greatest sample is 1. The training varies the gain anew in every epoch. */
  readonly fullScale: boolean;
}

export type NoiseKind = 'coloured' | 'babble' | 'hum' | 'beeps' | 'clicks' | 'chords';

const split = (words: string) => words.split(/\s+/).filter((word) => word !== '');

const EACH = CLASSES.map((_, label) => label);

const TRAINING_VOICES = {
  speakers: [0, 120],
  dialects: [0, 1, 2, 3, 4, 5],
  languages: 6,
  slopes: [0, -3, -4.5],
  snr: [-4, 30],
  reverberation: [0.08, 0.5],
  fullScale: true,
} as const;

const TRAINING_SOUNDS = {
  unknown: split(`
    low show so dough goat goal town noun gown crowd lift laugh lap let loft lead light rate ripe rice wide
    cup cut but ugh top shop stock step store spot yet guess mess less best young north note none own awe oft
    odd an hawk dot often bed bird cat dog eight five four happy house marvin nine one seven six three tree two
    wow zero back forward follow learn visual music volume louder lamp kitchen window open close play pause
    weather timer alarm morning seven hello computer thank please water answer question hundred tomorrow`),
  noises: ['coloured', 'babble', 'hum', 'beeps'],
} as const;

export const SIDES = {
  train: {
    ...TRAINING_VOICES,
    salt: 1,
    labels: EACH,
    ...TRAINING_SOUNDS,
  },
  /** Speakers whom the training does not hear, else the same: for choices made while training. */
  validate: {
    ...TRAINING_VOICES,
    ...TRAINING_SOUNDS,
    salt: 5,
    labels: EACH,
    speakers: [120, 40],
    fullScale: false,
  },
  /** More silence, of more kinds: taps, music. */
  quiet: {
    ...TRAINING_VOICES,
    salt: 3,
    labels: [SILENCE],
    unknown: [],
    noises: ['coloured', 'hum', 'beeps', 'clicks', 'chords'],
  },
  evaluate: {
    salt: 2,
    labels: EACH,
    unknown: split(`
      gone nope yeah shut stoop start ride right-hand rough loss left-wing drown dawn doubt gold grow new nod
      over of-course upon app yell yesterday stopwatch sheila table garden driver coffee radio message calendar
      eleven thirty wednesday brother silver orange doctor window-pane hurry minute enough elephant`),
    speakers: [200, 60],
    dialects: [0, 1, 2, 3, 10, 11],
    languages: 6,
    slopes: [-1.5, -6, 1.5],
    noises: ['coloured', 'babble', 'hum', 'beeps', 'clicks', 'chords'],
    snr: [4, 30],
    reverberation: [0.1, 0.6],
    fullScale: false,
  },
} as const satisfies Record<string, Side>;

export type SideName = keyof typeof SIDES;
