/** Three formants in Hz, as an average man has them. */
export type Formants = readonly [number, number, number];

/** How a sound is made. */
export interface Phoneme {
  /** Milliseconds at a middling pace. */
  readonly length: number;
  /** Where the mouth is at the start; vowels after Peterson and Barney (1952), consonants their loci. */
  readonly from: Formants;
  /** Where it goes, for diphthongs. */
  readonly to?: Formants;
  /** Strength of the voice, 0 to 1. */
  readonly voice: number;
  /** Strength of breath through the vocal tract. */
  readonly breath?: number;
  /** Hiss at the teeth or lips: strength, centre and width in Hz. */
  readonly hiss?: readonly [strength: number, centre: number, width: number];
  /** The nose sounds too. */
  readonly nasal?: true;
  /** A stop: closed first, then this hiss for these milliseconds, then breath for those. */
  readonly burst?: {
    readonly hiss: readonly [number, number, number];
    readonly length: number;
    readonly breath: number;
  };
}

const vowel = (length: number, from: Formants, to?: Formants): Phoneme => ({ length, from, to, voice: 1 });
const stop = (
  voice: number,
  from: Formants,
  length: number,
  breath: number,
  hiss: readonly [number, number, number],
): Phoneme => ({ length: 65, from, voice, burst: { hiss, length, breath } });

const LIPS: Formants = [250, 850, 2150];
const TEETH: Formants = [250, 1780, 2650];
const PALATE: Formants = [250, 2050, 2450];

/** The sounds of English, named as in ARPAbet. */
export const PHONEMES = {
  IY: vowel(130, [280, 2250, 2950]),
  IH: vowel(95, [390, 1990, 2550]),
  EH: vowel(110, [530, 1840, 2480]),
  AE: vowel(140, [660, 1720, 2410]),
  AA: vowel(150, [730, 1090, 2440]),
  AO: vowel(150, [570, 840, 2410]),
  UH: vowel(100, [440, 1020, 2240]),
  UW: vowel(140, [310, 900, 2240]),
  AH: vowel(110, [640, 1190, 2390]),
  ER: vowel(150, [490, 1350, 1690]),
  AX: vowel(65, [500, 1450, 2450]),
  EY: vowel(160, [480, 1900, 2550], [330, 2250, 2900]),
  AY: vowel(190, [730, 1150, 2450], [350, 2080, 2650]),
  OW: vowel(170, [540, 1000, 2350], [360, 800, 2250]),
  AW: vowel(190, [740, 1300, 2450], [400, 880, 2250]),
  OY: vowel(190, [560, 850, 2400], [340, 2050, 2600]),
  W: { length: 65, from: [290, 610, 2150], voice: 0.6 },
  Y: { length: 60, from: [265, 2150, 3020], voice: 0.6 },
  R: { length: 70, from: [330, 1100, 1450], voice: 0.65 },
  L: { length: 70, from: [340, 1050, 2880], voice: 0.65 },
  M: { length: 75, from: [270, 950, 2200], voice: 0.5, nasal: true },
  N: { length: 75, from: [270, 1500, 2500], voice: 0.5, nasal: true },
  NG: { length: 85, from: [270, 2050, 2700], voice: 0.5, nasal: true },
  S: { length: 115, from: TEETH, voice: 0, hiss: [0.55, 5800, 2200] },
  Z: { length: 85, from: TEETH, voice: 0.35, hiss: [0.3, 5600, 2200] },
  SH: { length: 120, from: [300, 1800, 2500], voice: 0, hiss: [0.6, 2900, 1300] },
  ZH: { length: 80, from: [300, 1800, 2500], voice: 0.35, hiss: [0.3, 2800, 1300] },
  F: { length: 100, from: LIPS, voice: 0, hiss: [0.16, 4500, 6500] },
  V: { length: 65, from: LIPS, voice: 0.45, hiss: [0.08, 4500, 6500] },
  TH: { length: 95, from: [270, 1400, 2600], voice: 0, hiss: [0.13, 5500, 5000] },
  DH: { length: 55, from: [270, 1400, 2600], voice: 0.45, hiss: [0.06, 5500, 5000] },
  HH: { length: 65, from: [500, 1450, 2450], voice: 0, breath: 0.5 },
  P: stop(0, LIPS, 8, 45, [0.35, 1000, 1600]),
  B: stop(0.12, LIPS, 6, 4, [0.25, 900, 1400]),
  T: stop(0, TEETH, 14, 50, [0.6, 4300, 2600]),
  D: stop(0.12, TEETH, 9, 6, [0.4, 4000, 2600]),
  K: stop(0, PALATE, 18, 50, [0.55, 2100, 1000]),
  G: stop(0.12, PALATE, 14, 8, [0.4, 2000, 1000]),
  CH: stop(0, [280, 1800, 2550], 75, 12, [0.6, 3000, 1400]),
  JH: stop(0.12, [280, 1800, 2550], 50, 4, [0.4, 2900, 1400]),
} as const satisfies Record<string, Phoneme>;

export type PhonemeName = keyof typeof PHONEMES;

/** What each word is made of; further ways to say it after a bar. */
const SPOKEN = `
down D AW N
go G OW
left L EH F T
no N OW
off AO F | AA F
on AA N | AO N
right R AY T
stop S T AA P | S T AO P
up AH P
yes Y EH S
low L OW
show SH OW
so S OW
dough D OW
goat G OW T
goal G OW L
town T AW N
noun N AW N
gown G AW N
crowd K R AW D
lift L IH F T
laugh L AE F | L AA F
lap L AE P
let L EH T
loft L AO F T
lead L IY D
light L AY T
rate R EY T
ripe R AY P
rice R AY S
wide W AY D
cup K AH P
cut K AH T
but B AH T
ugh AH G
top T AA P | T AO P
shop SH AA P | SH AO P
stock S T AA K
step S T EH P
store S T AO R | S T AO
spot S P AA T
yet Y EH T
guess G EH S
mess M EH S
less L EH S
best B EH S T
young Y AH NG
north N AO R TH | N AO TH
note N OW T
none N AH N
own OW N
awe AO
oft AO F T
odd AA D
an AE N
hawk HH AO K
dot D AA T
often AO F AX N
bed B EH D
bird B ER D
cat K AE T
dog D AO G
eight EY T
five F AY V
four F AO R | F AO
happy HH AE P IY
house HH AW S
marvin M AA R V IH N | M AA V IH N
nine N AY N
one W AH N
seven S EH V AX N
six S IH K S
three TH R IY
tree T R IY
two T UW
wow W AW
zero Z IH R OW
back B AE K
forward F AO R W ER D | F AO W AX D
follow F AA L OW
learn L ER N
visual V IH ZH UH AX L
music M Y UW Z IH K
volume V AA L Y UW M
louder L AW D ER | L AW D AX
lamp L AE M P
kitchen K IH CH AX N
window W IH N D OW
open OW P AX N
close K L OW Z
play P L EY
pause P AO Z
weather W EH DH ER | W EH DH AX
timer T AY M ER | T AY M AX
alarm AX L AA R M | AX L AA M
morning M AO R N IH NG | M AO N IH NG
hello HH EH L OW
computer K AX M P Y UW T ER | K AX M P Y UW T AX
thank TH AE NG K
please P L IY Z
water W AO T ER | W AO T AX
answer AE N S ER | AA N S AX
question K W EH S CH AX N
hundred HH AH N D R AX D
tomorrow T AX M AA R OW
gone G AO N | G AA N
nope N OW P
yeah Y EH AX | Y AE
shut SH AH T
stoop S T UW P
start S T AA R T | S T AA T
ride R AY D
right-hand R AY T HH AE N D
rough R AH F
loss L AO S
left-wing L EH F T W IH NG
drown D R AW N
dawn D AO N
doubt D AW T
gold G OW L D
grow G R OW
new N UW | N Y UW
nod N AA D
over OW V ER | OW V AX
of-course AX V K AO R S | AX V K AO S
upon AX P AA N
app AE P
yell Y EH L
yesterday Y EH S T ER D EY | Y EH S T AX D EY
stopwatch S T AA P W AA CH
sheila SH IY L AX
table T EY B AX L
garden G AA R D AX N | G AA D AX N
driver D R AY V ER | D R AY V AX
coffee K AO F IY
radio R EY D IY OW
message M EH S IH JH
calendar K AE L AX N D ER | K AE L AX N D AX
eleven IH L EH V AX N
thirty TH ER T IY
wednesday W EH N Z D EY
brother B R AH DH ER | B R AH DH AX
silver S IH L V ER | S IH L V AX
orange AO R IH N JH
doctor D AA K T ER | D AO K T AX
window-pane W IH N D OW P EY N
hurry HH AH R IY | HH ER IY
minute M IH N IH T
enough IH N AH F
elephant EH L AX F AX N T
`;

/** The ways to say each word that is known: everything in words.ts. */
export const LEXICON: ReadonlyMap<string, readonly (readonly PhonemeName[])[]> = new Map(
  SPOKEN.trim()
    .split('\n')
    .map((line) => {
      const [word = '', ...sounds] = line.split(' ');
      const ways = sounds
        .join(' ')
        .split(' | ')
        .map((way) => way.split(' ') as PhonemeName[]);
      return [word, ways];
    }),
);
