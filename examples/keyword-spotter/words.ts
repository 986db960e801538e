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
  /** espeak-ng's accents of English. */
  readonly accents: readonly string[];
  /** espeak-ng's voice variants: the speakers. */
  readonly variants: readonly string[];
  /** The speakers of `voice.ts`: the first number and how many. */
  readonly speakers: readonly [first: number, count: number];
  /** Their accents, by number. */
  readonly dialects: readonly number[];
  /** Languages of the people who talk in the background. */
  readonly babble: readonly string[];
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
  accents: ['en-us', 'en-gb', 'en-gb-scotland', 'en-029', 'en-gb-x-rp'],
  variants: split(`
    m1 m2 m3 m4 m5 f1 f2 f3 klatt klatt2 klatt3 klatt4 Alex Alicia Andrea Andy Annie Denis Diogo Gene Henrique
    Hugo Jacky Lee Marco Mario Michael adam anika antonio aunty belinda benjamin boris david ed edward grandpa
    gustave linda max michel norbert pablo whisper`),
  speakers: [0, 120],
  dialects: [0, 1, 2, 3, 4, 5],
  babble: ['en-us', 'de', 'fr-fr', 'es', 'it', 'pl'],
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
    accents: ['en-us', 'en-gb', 'en-gb-scotland', 'en-gb-x-rp', 'en-us-nyc', 'en-gb-x-gbclan'],
    variants: split(`
      m6 m7 m8 f4 f5 klatt5 Mike Nguyen RicishayMax Storm victor travis steph steph2 shelby sandro robert rob
      quincy pedro paul miguel marcelo kaukovalta john iven iven2 grandma zac whisperf`),
    speakers: [200, 60],
    dialects: [0, 1, 2, 3, 10, 11],
    babble: ['nl', 'sv', 'pt', 'tr', 'fi', 'ru'],
    slopes: [-1.5, -6, 1.5],
    noises: ['coloured', 'babble', 'hum', 'beeps', 'clicks', 'chords'],
    snr: [4, 30],
    reverberation: [0.1, 0.6],
    fullScale: false,
  },
} as const satisfies Record<string, Side>;

export type SideName = keyof typeof SIDES;
