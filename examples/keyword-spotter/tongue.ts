import { type Sound, speak } from './espeak.ts';
import { LEXICON, PHONEMES, type PhonemeName } from './phonemes.ts';
import type { Random } from './random.ts';
import { resample, trim } from './sound.ts';
import { pronounce, type Speaker, speakerOf } from './voice.ts';
import type { Side } from './words.ts';

/** Samples per second of a clip. */
export const RATE = 16000;

/** Who speaks the clips: espeak-ng, or the synthesizer of this folder. */
export interface Tongue {
  /** A word by some speaker of the side, at any rate. */
  word(text: string, side: Side, random: Random): Sound;
  /** Some seconds of somebody talking in another language, at RATE. */
  talk(side: Side, random: Random): Float32Array;
}

/** Speaks by espeak-ng, which must be installed. The same random numbers give the same speech, for one version of it. */
export function espeakTongue(): Tongue {
  const kept = new Map<string, Float32Array>();
  return {
    word(text, side, random) {
      return speak({
        // Punctuation turns the melody; espeak-ng speaks none of it.
        text: text + random.pick(['', '', '.', '!', '?', ',']),
        voice: `${random.pick(side.accents)}+${random.pick(side.variants)}`,
        speed: 110 + 15 * random.below(11),
        pitch: 15 + 10 * random.below(7),
      });
    },
    talk(side, random) {
      const language = random.pick(side.babble);
      const voice = `${language}+${random.pick(side.variants)}`;
      const text = random.below(2);
      return remembered(kept, `${voice} ${text}`, () => {
        const digits = random.other(text + 1);
        const numbers = Array.from({ length: 6 }, () => digits.below(1000)).join(' ');
        return speak({ text: numbers, voice, speed: 180, pitch: 30 + 40 * text });
      });
    },
  };
}

/** Speaks by `voice.ts`: nothing to install, and the same everywhere. */
export function ownTongue(): Tongue {
  const speakers = new Map<string, Speaker>();
  const kept = new Map<string, Float32Array>();
  const speaker = (side: Side, random: Random): Speaker => {
    const number = side.speakers[0] + random.below(side.speakers[1]);
    const accent = random.pick(side.dialects);
    const key = `${number} ${accent}`;
    const known = speakers.get(key) ?? speakerOf(number, accent);
    speakers.set(key, known);
    return known;
  };
  return {
    word(text, side, random) {
      const ways = LEXICON.get(text);
      if (ways === undefined) throw new Error(`nobody wrote down how ${text} is said`);
      const manner = { pace: 0.8 + 0.8 * random.uniform(), melody: 0.25 * random.normal() - 0.2 };
      return pronounce(random.pick(ways), speaker(side, random), manner, random);
    },
    talk(side, random) {
      const language = random.below(side.babble.length);
      // A dozen voices a side are enough for a background.
      const voice = side.speakers[0] + random.below(12);
      const key = `${side.babble[language]} ${voice}`;
      return remembered(kept, key, () => {
        const own = random.other(1000 * side.speakers[0] + 100 * language + voice);
        const manner = { pace: 1.25, melody: -0.2 };
        return pronounce(syllables(own), speakerOf(voice, side.dialects[0]! + language), manner, own);
      });
    },
  };
}

/** Gibberish: open syllables of a few sounds that this speaker's language favours. */
function syllables(random: Random): PhonemeName[] {
  const names = Object.keys(PHONEMES) as PhonemeName[];
  const vowels = random.shuffle(names.filter((name) => /^[AEIOU]/.test(name))).slice(0, 6);
  const consonants = random.shuffle(names.filter((name) => !/^[AEIOU]/.test(name))).slice(0, 12);
  return Array.from({ length: 30 }, () => [random.pick(consonants), random.pick(vowels)]).flat();
}

/** Voices in the background cost most of the time: each is spoken once. */
function remembered(kept: Map<string, Float32Array>, key: string, say: () => Sound): Float32Array {
  let talk = kept.get(key);
  if (talk === undefined) {
    const spoken = say();
    talk = resample(trim(spoken.samples), spoken.rate / RATE);
    kept.set(key, talk);
  }
  return talk;
}
