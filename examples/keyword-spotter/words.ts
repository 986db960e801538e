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
  babble: ['en-us', 'de', 'fr-fr', 'es', 'it', 'pl'],
  slopes: [0, -3, -4.5],
  snr: [-4, 30],
  reverberation: [0.08, 0.5],
  fullScale: true,
} as const;

export const SIDES = {
  train: {
    ...TRAINING_VOICES,
    salt: 1,
    labels: EACH,
    unknown: split(`
      low show so dough goat goal town noun gown crowd lift laugh lap let loft lead light rate ripe rice wide
      cup cut but ugh top shop stock step store spot yet guess mess less best young north note none own awe oft
      odd an hawk dot often bed bird cat dog eight five four happy house marvin nine one seven six three tree two
      wow zero back forward follow learn visual music volume louder lamp kitchen window open close play pause
      weather timer alarm morning seven hello computer thank please water answer question hundred tomorrow`),
    noises: ['coloured', 'babble', 'hum', 'beeps'],
  },
  /** What a spotter hears most of the day: other words and no words. */
  rest: {
    ...TRAINING_VOICES,
    salt: 3,
    labels: [SILENCE, UNKNOWN, UNKNOWN],
    unknown: split(`
      about above account across address afternoon again airport album almost along always among and animal another any
      apple april around artist ask august autumn average balcony banana basket battery beautiful because become before
      begin believe below better between beyond big bill black blanket block blue board body book boot border borrow
      both bottom box boy bread break breakfast bridge bright bring brown build bus busy butter button buy cake camera
      can candle capital car card carry case castle catch centre chair change channel cheap check cheese chicken child
      choose church circle city clean clear clever cloud cold colour comb come cook corner count country cousin cream
      cross cry cut-off dance danger daughter day dear december deep desk dinner dirty dollar door double downhill draw
      dream dress drink drive drop dry early east easy eat egg empty end engine english enjoy enter evening ever every
      example eye face fall family far farm fast father february feel few field fifteen fifty find finger finish fire
      first fish flat floor flower fly food foot forest forget forty found fourteen free fresh friday friend from front
      fruit full funny gallery game gate gave get girl give glass glove goodbye goose government great green ground
      group grown guitar hair half hand hard hat have head hear heart heavy height help here high hill history hold
      holiday home honest hope horse hospital hot hotel hour how ice idea if important inside into island january jump
      june keep key king knee knife knock lady lake language large last late laundry lawn leaf leave leg lemon lesson
      letter library life like line list little live local long look lorry lost lot love lunch machine make man many map
      march market match maybe meal mean meat meet metal middle milk million mind mirror miss monday money month moon
      more most mother mountain mouse mouth move much mud museum must name near neck need never next nice night nobody
      noise nose nothing notice november number nurse object ocean october odd-one offer office oil old once onion only
      opera or other our out outside over-there own-goal page pain paint pair paper parent park part party pass past
      path pay pen people pepper person phone piano picture piece pink place plan plane plant plate play-back point
      police poor post potato power present price print problem programme proud pull pupil push put queen quick quiet
      quite race rain raise reach read ready real record red rest return rich ring river road rock roof room round rule
      run sad safe sail salt same sand saturday say school sea season seat second see sell send september serve several
      shall shape sharp she shelf ship shirt shoe shoot short shoulder shower sick side sign simple since sing single
      sister sit sixteen size skin sky sleep slice slow small smell smile smoke snow soap sock soft some son song soon
      sorry sound soup south speak special speed spell spend spoon sport spring square stairs stamp stand star state
      station stay steal stick still stone story straight strange street strong student study such sugar suit summer sun
      sunday sure surprise sweet swim switch table-top tail take talk tall taste taxi tea teach team tell ten test than
      that theatre then there thick thin thing think third this thousand throw thursday ticket tie tired title today toe
      together tomato tongue tooth touch tower toy trade train travel trip trouble true trust try tuesday turn twelve
      twenty type umbrella under until upset use usual valley very video village visit voice wait walk wall want war
      warm wash watch way wear week welcome well west wet wheel when where which while white who whole why wife will win
      wind wine winter wire wish with woman wonder wood word work world worry wrong year yellow yesterday-evening yogurt
      you your zoo`),
    noises: ['coloured', 'babble', 'hum', 'beeps', 'clicks', 'chords'],
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
    babble: ['nl', 'sv', 'pt', 'tr', 'fi', 'ru'],
    slopes: [-1.5, -6, 1.5],
    noises: ['coloured', 'babble', 'hum', 'beeps', 'clicks', 'chords'],
    snr: [4, 30],
    reverberation: [0.1, 0.6],
    fullScale: false,
  },
} as const satisfies Record<string, Side>;

export type SideName = keyof typeof SIDES;
